import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { panelPicture } from './panel-picture.ts';
import { protocolsPage } from './protocols.ts';
import { jsonSchemas } from './schemas.ts';

const SCHEMA_FOLDER = 'docs/schemas';
const PROTOCOLS_PAGE = 'docs/protocols.md';
const PANEL_PICTURE = 'docs/pictures/button-and-light.svg';

/** All generated documents: path from the root, and text. */
async function generatedDocuments(): Promise<Map<string, string>> {
  const documents = new Map<string, string>();
  for (const [name, schema] of jsonSchemas())
    documents.set(`${SCHEMA_FOLDER}/${name}.json`, `${JSON.stringify(schema, null, 2)}\n`);
  documents.set(PANEL_PICTURE, panelPicture());
  return documents.set(PROTOCOLS_PAGE, await protocolsPage());
}

async function keptSchemas(): Promise<string[]> {
  await mkdir(SCHEMA_FOLDER, { recursive: true });
  return (await readdir(SCHEMA_FOLDER)).map((file) => `${SCHEMA_FOLDER}/${file}`);
}

/** Paths of documents that are not what the contracts say now: changed, missing, or left over. */
export async function staleDocuments(): Promise<string[]> {
  const documents = await generatedDocuments();
  const stale = (await keptSchemas()).filter((path) => !documents.has(path));
  for (const [path, text] of documents) {
    const kept = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (kept !== text) stale.push(path);
  }
  return stale.sort();
}

/** Writes all documents and removes those that nothing makes any more. Returns how many there are. */
export async function writeDocuments(): Promise<number> {
  const documents = await generatedDocuments();
  for (const path of await keptSchemas()) if (!documents.has(path)) await rm(path);
  for (const [path, text] of documents) await writeFile(path, text);
  return documents.size;
}
