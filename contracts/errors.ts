import { z } from 'zod';
import { ERRORS, type ErrorCode } from './error-table.ts';

export { ERRORS, type ErrorCode } from './error-table.ts';

const codes = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

/** An error as it travels, on MQTT and inside a problem document. */
export const WireError = z
  .object({
    code: z.enum(codes),
    message: z.string().describe('What happened and what to do, for people'),
    field: z.string().optional().describe('Path of the field that is wrong'),
    details: z.record(z.string(), z.unknown()).optional(),
  })
  .describe('An error as it travels');
export type WireError = z.infer<typeof WireError>;

/** RFC 9457 problem document, `application/problem+json`. */
export const Problem = z
  .object({
    type: z.string().describe('`urn:touchline:error:{code}`'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    ...WireError.shape,
  })
  .describe('RFC 9457 problem document');
export type Problem = z.infer<typeof Problem>;

export interface ErrorExtras {
  field?: string | undefined;
  details?: Record<string, unknown> | undefined;
  cause?: unknown;
  /** What to do in this very case, where the table's words for the code are too general. */
  remedy?: string | undefined;
}

/** The only error class our own code throws on purpose: a code from the table, a message for people, the cause kept. */
export class TouchlineError extends Error {
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly details: Record<string, unknown> | undefined;
  readonly remedy: string;

  constructor(code: ErrorCode, message: string, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.name = 'TouchlineError';
    this.code = code;
    this.field = extras.field;
    this.details = extras.details;
    this.remedy = extras.remedy ?? ERRORS[code].remedy;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  toWire(): WireError {
    return {
      code: this.code,
      message: this.message,
      ...(this.field === undefined ? {} : { field: this.field }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}

/** An error that arrived from elsewhere, as one of ours again. */
export function fromWireError(error: WireError): TouchlineError {
  return new TouchlineError(error.code, error.message, { field: error.field, details: error.details });
}

/** The problem document of an error. */
export function toProblem(error: TouchlineError): Problem {
  return {
    type: `urn:touchline:error:${error.code}`,
    title: ERRORS[error.code].meaning,
    status: error.status,
    detail: error.message,
    ...error.toWire(),
  };
}

/** `path.to.field: what is wrong` of the first issue, for one-line messages. */
export function firstIssue(error: z.ZodError): { field: string; reason: string } {
  const issue = error.issues[0];
  return { field: issue ? issue.path.join('.') : '', reason: issue?.message ?? 'is invalid' };
}

/**
 * Validates what came from outside. Throws `TouchlineError(code)` that names the first wrong field and what to do.
 * `what` is the noun for the message, such as "the manifest".
 */
export function parseOrThrow<T extends z.ZodType>(
  schema: T,
  value: unknown,
  code: ErrorCode,
  what: string,
): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { field, reason } = firstIssue(parsed.error);
  throw new TouchlineError(code, `${what}: ${field === '' ? '' : `${field}: `}${reason}`, {
    field: field === '' ? undefined : field,
    details: {
      issues: parsed.error.issues.map((issue) => ({ field: issue.path.join('.'), reason: issue.message })),
    },
  });
}
