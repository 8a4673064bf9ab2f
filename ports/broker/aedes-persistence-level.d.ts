declare module 'aedes-persistence-level' {
  import type { ClassicLevel } from 'classic-level';

  /** Sessions, wills and retained messages of an aedes broker in a level database. */
  export default function levelPersistence(db: ClassicLevel<string, Buffer>): unknown;
}
