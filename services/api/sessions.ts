import { createHash, randomBytes } from 'node:crypto';
import type { Role } from '#contracts/http-node.ts';
import type { Clock } from '#ports/clock/clock.ts';

/** Sessions of browsers, in memory: they end with the service. */
export interface Sessions {
  /** A new session; its token is told once and kept nowhere. */
  open(role: Role): { readonly token: string; readonly maxAgeSec: number };
  roleOf(token: string): Role | undefined;
  close(token: string): void;
}

/** A match day. */
const LIFETIME_SEC = 16 * 3600;
/** More than a rig has; of each role the oldest goes first, so that viewers cannot push out those who run the rig. */
const SESSIONS_MAX: Readonly<Record<Role, number>> = { viewer: 200, operator: 50 };
const TOKEN_BYTES = 32;

export function createSessions(clock: Clock): Sessions {
  const sessions = new Map<string, { role: Role; endsUs: number }>();
  return {
    open(role) {
      const token = randomBytes(TOKEN_BYTES).toString('base64url');
      sessions.set(hashOf(token), { role, endsUs: clock.monoUs() + LIFETIME_SEC * 1e6 });
      const alike = [...sessions].filter(([, session]) => session.role === role);
      for (const [oldest] of alike.slice(0, -SESSIONS_MAX[role])) sessions.delete(oldest);
      return { token, maxAgeSec: LIFETIME_SEC };
    },
    roleOf(token) {
      const key = hashOf(token);
      const session = sessions.get(key);
      if (!session) return undefined;
      if (clock.monoUs() < session.endsUs) return session.role;
      sessions.delete(key);
      return undefined;
    },
    close: (token) => void sessions.delete(hashOf(token)),
  };
}

/** Looked up by hash, so that how long a look-up takes tells nothing of a token. */
function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
