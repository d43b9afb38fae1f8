// Tells what in the schema breaks clients that were written against the released one, as JSON.
import { readFileSync } from "node:fs";
import { buildSchema, findBreakingChanges, findDangerousChanges } from "graphql";

const [released, current] = process.argv.slice(2).map((path) => buildSchema(readFileSync(path, "utf8")));
console.log(JSON.stringify({
  breaking: findBreakingChanges(released, current).map((change) => change.description),
  dangerous: findDangerousChanges(released, current).map((change) => change.description),
}));
