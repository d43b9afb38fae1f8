// Runs the GraphQL over HTTP audit: node audit.mjs http://host/graphql
// Prints what is not ok, one a line, and then how many are.
import { serverAudits } from 'graphql-http';

let passed = 0;
for (const audit of serverAudits({ url: process.argv[2], fetchFn: fetch })) {
  const result = await audit.fn();
  if (result.status === 'ok') passed++;
  else console.log(`${result.status} ${audit.id}: ${audit.name}: ${result.reason}`);
}
console.log(`${passed} ok`);
