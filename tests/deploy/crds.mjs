// What the schemas of the Prometheus Operator have against the manifests on standard input (JSON), as a
// JSON list of texts. The one argument is the folder with the package of these schemas.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const models = await import(resolve(process.argv[2], "monitoring.coreos.com/v1/index.js"));

function fault(manifest) {
  const name = `${manifest.kind} ${manifest.metadata.name}`;
  const Model = models[manifest.kind];
  if (Model === undefined) {
    return `${name}: there is no schema of that kind`;
  }
  try {
    new Model(manifest).validate();
    return null;
  } catch (error) {
    return `${name}: ${error.message}`;
  }
}

const manifests = JSON.parse(readFileSync(0, "utf8"));
const faults = manifests.map(fault).filter((found) => found !== null);
process.stdout.write(JSON.stringify(faults));
