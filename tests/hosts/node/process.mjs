// A process of this machine, as far as a number leads to one: whether it runs, when it started, its name.

import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';

/** Whether a process of that number runs: zombies do not, and numbers that no process can have neither. */
export function runs(pid) {
  if (!(pid > 0 && pid < 2 ** 31)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === 'ESRCH') return false;
  }
  const fields = statFields(pid);
  // A process whose first thread has ended shows as a zombie as long as others run.
  return !(fields && (/^[Xx]$/.test(fields[0]) || (fields[0] === 'Z' && Number(fields[17]) <= 1)));
}

/** When it started, in clock ticks since the machine did; null where `/proc` does not tell. */
export const startTicks = (pid) => {
  const fields = statFields(pid);
  return fields && BigInt(fields[19]);
};

/** What it calls itself; null where `/proc` does not tell. */
export const nameOf = (pid) => (procIsOurs() ? read(`/proc/${pid}/comm`)?.replace(/\n$/, '') : null) ?? null;

/** The number of a process that has the descriptor by which that byte of a file is locked, as far as any shows. */
export function holderOfLock(byte) {
  const isIt = (line) => line.startsWith('lock:') && line.endsWith(` ${byte} ${byte}`);
  const processes = procIsOurs() ? list('/proc').filter((name) => /^\d+$/.test(name)) : [];
  const found = processes.find((pid) =>
    list(`/proc/${pid}/fdinfo`).some((fd) => read(`/proc/${pid}/fdinfo/${fd}`)?.split('\n').some(isIt)),
  );
  return found === undefined ? null : Number(found);
}

/** The inode of this process's namespace of that kind; null where `/proc` does not tell. */
export function ownNamespace(kind) {
  try {
    return statSync(`/proc/self/ns/${kind}`, { bigint: true }).ino;
  } catch {
    return null;
  }
}

/** The kernel's name for the time since it started; null where `/proc` does not tell. */
export const bootId = () => read('/proc/sys/kernel/random/boot_id')?.trim() ?? null;

/** The fields behind the command's name, the process's state first. */
function statFields(pid) {
  const stat = procIsOurs() ? read(`/proc/${pid}/stat`) : null;
  return (
    stat &&
    stat
      .slice(stat.lastIndexOf(')') + 1)
      .trim()
      .split(' ')
  );
}

/** Whether the numbers in `/proc` are those of this process's own pid namespace. */
function procIsOurs() {
  try {
    return readlinkSync('/proc/self') === String(process.pid);
  } catch {
    return false;
  }
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function list(path) {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
