/** The files that are generated from the schemas. */

import { stringify } from "yaml";
import { customResourceDefinitions } from "./definitions.ts";

export interface GeneratedFile {
  /** Relative to the project. */
  readonly name: string;
  readonly content: string;
}

export function generatedFiles(): readonly GeneratedFile[] {
  return customResourceDefinitions().map((definition) => {
    const plural = definition.metadata.name.split(".")[0];
    return {
      name: `crds/${plural}.yaml`,
      content: `# Generated from src/crd by \`npm run generate\`: do not edit.\n${stringify(definition, { lineWidth: 110, aliasDuplicateObjects: false })}`,
    };
  });
}
