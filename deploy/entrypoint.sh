#!/bin/sh
# Run the command with the capabilities that the container was given (--cap-add), although it does not run as root.
# Of those only the ones that bitledger has a use for: counters (SYS_ADMIN, PERFMON) and py-spy (SYS_PTRACE).
set -eu
keep=${KEEP_CAPABILITIES:-/usr/local/bin/keep-capabilities}

bounding=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
wanted=
for one in sys_ptrace:19 sys_admin:21 perfmon:38; do # numbers: capabilities(7)
    if [ $((0x$bounding >> ${one#*:} & 1)) = 1 ]; then
        wanted="$wanted${wanted:+,}+${one%:*}"
    fi
done
if [ "$(id -u)" = 0 ] || [ -z "$wanted" ] \
    || ! "$keep" --inh-caps "$wanted" --ambient-caps "$wanted" true 2>/dev/null; then
    exec "$@" # root has them; none was given; or no-new-privileges, as in Apptainer, where the host's rights count
fi
# The loader takes these away from a program with capabilities of its own, which setpriv is here for a moment.
for name in LD_LIBRARY_PATH LD_PRELOAD TMPDIR; do
    if value=$(printenv "$name"); then
        set -- "$name=$value" "$@"
    fi
done
exec "$keep" --inh-caps "$wanted" --ambient-caps "$wanted" env "$@"
