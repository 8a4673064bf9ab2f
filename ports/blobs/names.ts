import { TouchlineError } from '#contracts/errors.ts';

const SEGMENT = /^[A-Za-z0-9_~-][A-Za-z0-9_.~-]*$/;

/** The folders and file of a name. Throws `invalid_field` for one that could reach outside its storage folder. */
export function segmentsOf(name: string): [area: string, ...rest: string[]] {
  const [area, ...rest] = name.split('/');
  if (area === undefined || ![area, ...rest].every((segment) => SEGMENT.test(segment)))
    throw new TouchlineError('invalid_field', `"${name}" cannot be the name of a stored file`);
  return [area, ...rest];
}
