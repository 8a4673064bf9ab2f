import { TouchlineError } from '#contracts/errors.ts';
import type { HttpApp } from './http-app.ts';

/**
 * Listens where a section of the configuration says. Throws `conflict` when the port is taken and `configuration_invalid` when
 * the machine has no such address or the port is not for this user; both name the setting.
 */
export async function listen(
  app: HttpApp,
  { host, port }: { readonly host: string; readonly port: number },
  section: string,
): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'EADDRINUSE')
      throw new TouchlineError(
        'conflict',
        `${section}.port: another program already listens on ${host}:${port}`,
        {
          cause,
          field: `${section}.port`,
          remedy: `End that program, or choose another port, such as --set ${section}.port=${port < 65_000 ? port + 10 : port - 10}.`,
        },
      );
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new TouchlineError(
        'configuration_invalid',
        `${section}.host: this machine has no address ${host}`,
        {
          cause,
          field: `${section}.host`,
        },
      );
    if (code === 'EACCES')
      throw new TouchlineError(
        'configuration_invalid',
        `${section}.port: this user may not listen on port ${port}`,
        {
          cause,
          field: `${section}.port`,
          remedy: `Choose a port from 1024 on, such as --set ${section}.port=8080.`,
        },
      );
    throw cause;
  }
}
