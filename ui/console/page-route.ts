/** The screens of the console, by the part of the address behind `#`: the server serves only `/`. */

export type SessionView = 'cameras' | 'panorama';

export type PageRoute =
  | { readonly page: 'sessions' }
  | { readonly page: 'session'; readonly uid: string; readonly view: SessionView | null }
  | { readonly page: 'jobs' }
  | { readonly page: 'devices' }
  | { readonly page: 'unknown' };

/** `#/sessions/01H…/panorama` → the session's panorama; nothing → the sessions. */
export function parseRoute(hash: string): PageRoute {
  const [page = '', uid, view, ...rest] = hash.replace(/^#?\/?/, '').split('/');
  if (rest.length > 0) return { page: 'unknown' };
  if (page === '' || (page === 'sessions' && !uid)) return { page: 'sessions' };
  if (page === 'sessions' && uid) {
    if (view === undefined || view === '') return { page: 'session', uid: decoded(uid), view: null };
    if (view === 'cameras' || view === 'panorama') return { page: 'session', uid: decoded(uid), view };
  }
  if ((page === 'jobs' || page === 'devices') && uid === undefined) return { page };
  return { page: 'unknown' };
}

export function hrefOf(route: Exclude<PageRoute, { page: 'unknown' }>): string {
  if (route.page !== 'session') return `#/${route.page}`;
  const { uid, view } = route;
  return `#/sessions/${encodeURIComponent(uid)}${view === null ? '' : `/${view}`}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
