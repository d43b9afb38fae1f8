// Package glpiproxy is everything that is said to GLPI: sessions, items, batches,
// searches, writes, files, with limits, caching and errors that errors.As
// understands. Go types go in and Go types come out; PHP's habits (numbers for
// text, local dates without a zone, HTML entities, warnings before the JSON) end
// in decode.go.
//
// It knows neither GraphQL nor MQTT and imports nothing of this module, so it can
// be used alone as a client library for GLPI 9.2 to 11 (by its older REST API) and
// the Flyve MDM plugin. It is not a general REST proxy: only the item types of
// items*.go can be read, and only their columns without secrets have a field to be
// decoded into.
//
// # Reading
//
// New makes a [Client] for one GLPI; SignIn, SignInWithToken and Resume give a
// [Session], which sees what its user sees. [Get], [GetMany], [List], [Children],
// [Search] and [Count] read the items of a type: List[Agent]. Where GLPI doesn't
// keep companies apart, the types have functions of their own that look at the
// owner first: [TasksOf], [StatusesOfTasks], [LogOf], [EntityConfigOf].
//
// An [Account] keeps the sessions of a stored credential, one for each profile and
// entity, and opens them anew when GLPI has ended them: for services, which nobody
// signs in for.
//
// Answers are cached for some seconds for viewers of the same scope, and equal
// reads at one time are one call. What this client writes is forgotten at once; for
// changes that come by other ways there are [Client.Invalidate] and
// [Client.DeviceChanged]. While GLPI is away reads are answered with what was true
// before, to the same viewer; [WithStaleReport] tells of it.
//
// Calls that wait for their turn are served fairly over the people, at most
// Options.Concurrency at once. A read is repeated twice at most when GLPI can't be
// reached; after several failures in a row none is sent for a moment
// ([ErrCircuitOpen]). A page of 50 costs one call for the list and one for all that
// its rows name, whatever their types; items out of the viewer's sight among them,
// which make GLPI refuse the whole call, at most five more.
//
// # Writing
//
// [CreateItem], [UpdateItem] and [DeleteItem], and their forms for up to MaxWrites
// items, take inputs with the fields that may be set and no others. They look at
// the item, and at what the input names, with the viewer's own session before
// anything is sent: GLPI lets an administrator delete another company's tasks or
// move a device into its fleets. They send once. Then they read the item again,
// since GLPI reports success for what it drops (Unchanged), and fails after it has
// done what it was asked. What can't be decided is an error that says so. Commands
// to devices are functions of their own: [Lock], [Wipe], [Unenroll], [Ping].
//
// [Upload] and [Open] stream files; a [Download] is an io.ReadSeeker, for
// http.ServeContent.
//
// # Errors
//
// Every error is, or wraps, an [*Error] with a [Kind], whatever status and words
// GLPI chose, and without tokens, passwords or addresses of requests. Writes of many
// items give [Outcomes], one for each item in the order asked; their Err makes one
// error of them.
package glpiproxy
