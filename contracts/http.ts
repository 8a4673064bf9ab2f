/** Routes that every HTTP server of ours has. */
export const commonRoutes = {
  openapi: '/api/v1/openapi.json',
} as const;

/** Content type of every error. */
export const PROBLEM_JSON = 'application/problem+json';
