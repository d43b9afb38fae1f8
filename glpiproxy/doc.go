// Package glpiproxy is everything that is said to GLPI: sessions, items,
// batches, searches, with limits, caching and errors that errors.As
// understands. Go types go in and Go types come out; PHP's habits (numbers for
// text, local dates without a zone, HTML entities, warnings before the JSON)
// end in decode.go.
//
// It knows neither GraphQL nor MQTT and imports nothing of this module, so it
// can be used alone as a client library for GLPI 9.2 to 10 and the Flyve MDM
// plugin. It is not a general REST proxy: only the item types of items.go can be
// read, and only their columns without secrets have a field to be decoded into.
package glpiproxy
