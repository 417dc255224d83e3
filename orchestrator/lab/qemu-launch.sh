#!/bin/sh
# Run one virtual machine. SIGTERM to this shell presses the machine's power button; if this shell
# is killed, QEMU is killed with it, so that no second one ever writes to the same disk.
# Arguments: machine directory, file for the process id, bridge, tap device, the QEMU command.
set -eu
machine=$1 pid=$2 bridge=$3 tap=$4
shift 4
# Here, because the path of a Unix socket may have 107 characters only.
cd "$machine"
echo $$ > "$pid"

# The device is this namespace's and goes with it; one that a killed machine left is replaced.
ip link delete "$tap" 2> /dev/null || :
ip tuntap add dev "$tap" mode tap
ip link set "$tap" master "$bridge" up

stopping=
trap 'stopping=yes' TERM
setpriv --pdeathsig KILL -- "$@" &
qemu=$!
while kill -0 "$qemu" 2> /dev/null; do
    if [ "$stopping" ]; then
        # Again and again: a guest that is still booting does not see the first ones.
        printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"system_powerdown"}' |
            socat -t1 - UNIX-CONNECT:qmp > /dev/null 2>&1 || :
        sleep 1
    else
        wait "$qemu" || :
    fi
done
ip link delete "$tap"
