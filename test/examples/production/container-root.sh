#!/bin/sh
# Makes the root of a container: the binary, and the libraries that it and its addon are linked with.
#   container-root.sh <binary> <addon> <root>
set -eu
binary=$1
addon=$2 # libSQL: inside of the binary, which loads it when it runs, so that `ldd` does not see what it needs
root=$3

mkdir -p "$root/etc" "$root/tmp"
cp "$binary" "$root/kilde"
for library in $(ldd "$binary" "$addon" | grep -o '/lib[^ ]*\.so[^ ]*' | sort -u); do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
echo 'kilde:x:65532:65532::/data:/kilde' >"$root/etc/passwd"
chmod 1777 "$root/tmp"
