#!/bin/sh
# build.sh CONFIG OUT: builds the lab's kernel, as root, from Debian's own source in a root of its own that is thrown away;
# nothing is installed here. Leaves OUT/linux.uml and OUT/modules/VERSION/. About 20 minutes on two cores.
set -eu
config=$1
out=$2
# Where this machine gets its own packages from.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
[ -n "$mirror" ] || { echo 'build.sh: apt knows no source of Debian packages: apt-get update first' >&2; exit 1; }
source=linux-source-6.12

mkdir -p "$out"
cat >"$out/inside.sh" <<INSIDE
set -eu
cd /usr/src
tar xf $source.tar.xz
cd $source
cp /kernel.config .config
make -s ARCH=um olddefconfig
make -s ARCH=um -j"\$(nproc)" linux modules
make -s ARCH=um INSTALL_MOD_PATH=/built modules_install
rm -f /built/lib/modules/*/build /built/lib/modules/*/source
strip -o /built/linux.uml linux
tar cf /built.tar -C /built linux.uml -C /built/lib modules
INSIDE
mmdebstrap --variant=apt --format=null \
  --include=$source/bookworm-backports,gcc,make,flex,bison,bc,libc6-dev,libssl-dev,libelf-dev,xz-utils,kmod,rsync,python3-minimal,perl-base,cpio \
  --aptopt='APT::Install-Recommends "false"' \
  --customize-hook="upload $config /kernel.config" \
  --customize-hook="upload $out/inside.sh /inside.sh" \
  --customize-hook='chroot "$1" sh /inside.sh' \
  --customize-hook="download /built.tar $out/built.tar" \
  bookworm - \
  "deb $mirror bookworm main" "deb $mirror bookworm-backports main" >&2
tar xf "$out/built.tar" -C "$out"
rm "$out/built.tar" "$out/inside.sh"
