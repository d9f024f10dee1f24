"""Runs a command that dies with the process that started it.

Started as a file by a bare interpreter (``-I -S``), it becomes the command: no process stays between. Doing this after
the fork and not in a ``preexec_fn`` keeps Python code out of the child of a process that has threads.

    launch.py PARENT_PID DEATH_SIGNAL UID GID COMMAND [ARGUMENT ...]

UID and GID are ``-`` for "as the parent". On Linux the kernel sends DEATH_SIGNAL when the parent thread is gone
(prctl(2), PR_SET_PDEATHSIG; it survives execve, and is cleared by a change of user, so it comes after that).
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Drops to the user, ties this process to its parent, and becomes the command."""
    parent, death_signal, uid, gid = arguments[:4]
    command = arguments[4:]
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(1)  # the parent died before the tie was made
    # What is ignored stays so through execve: Python ignores two signals, and a shell's background job three more.
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
