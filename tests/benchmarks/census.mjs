// Answers each line `N` on stdin by translating the first N trees and saying how many seconds of processor time it took; the records of
// the first round are written to a file. Arguments: trees (JSON lines), mapping, output, code lists (JSON), the day
// the file speaks of.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const jsonata = createRequire(process.cwd() + "/")("jsonata");
const [, , trees, mapping, output, lists, asOf] = process.argv;
const codes = JSON.parse(readFileSync(lists, "utf8"));
const lines = readFileSync(trees, "utf8").trim().split("\n");
const expression = jsonata(readFileSync(mapping, "utf8"));
let first = true;
for await (const said of createInterface({ input: process.stdin })) {
  const wanted = lines.slice(0, Number(said));
  const records = [];
  const begun = process.cpuUsage();
  for (const line of wanted) {
    records.push(JSON.stringify(await expression.evaluate(JSON.parse(line), { as_of: asOf, codes })));
  }
  const used = process.cpuUsage(begun);
  const seconds = (used.user + used.system) / 1e6;
  if (first) writeFileSync(output, records.join("\n") + "\n");
  first = false;
  console.log(seconds);
}
