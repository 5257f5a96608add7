//! Children that end with this process, for whatever reason it ends.
#![allow(
    unsafe_code,
    reason = "prctl between fork and exec, and kill: the standard library has no safe word for either"
)]

use crate::{Context, Error, Result, wait};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;

/// A child process in a process group of its own. Dropping it kills it.
///
/// The kernel kills it also when this process ends without dropping anything: by a crash, a signal or `exit`.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    child: Mutex<Child>,
}

/// What can be sent to a [`Process`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: please end.
    Terminate,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGKILL: ends at once, without a chance to tidy up.
    Kill,
    /// SIGSTOP: stops until [`Signal::Continue`], like a suspended machine.
    Stop,
    /// SIGCONT: continues.
    Continue,
}

impl Process {
    /// Starts `command`; `name` is what errors call it.
    ///
    /// # Errors
    /// When the program cannot be started, with its path.
    pub fn start(name: impl Into<String>, mut command: Command) -> Result<Process> {
        let name = name.into();
        // Ctrl-C at a terminal then reaches us alone, and we decide in which order things end.
        command.process_group(0);
        let program = command.get_program().to_owned();
        let child = spawn(command)
            .context(|| format!("cannot start {name} ({})", program.to_string_lossy()))?;
        Ok(Process {
            name,
            pid: child.id(),
            child: Mutex::new(child),
        })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, or `None` while it runs.
    pub fn exited(&self) -> Option<ExitStatus> {
        self.lock().try_wait().ok().flatten()
    }

    /// Takes the child's standard output and standard error, where they were piped; they can be taken once.
    pub(crate) fn take_output(
        &self,
    ) -> (
        Option<std::process::ChildStdout>,
        Option<std::process::ChildStderr>,
    ) {
        let mut child = self.lock();
        (child.stdout.take(), child.stderr.take())
    }

    /// Sends a signal; to a process that has ended it sends nothing.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        // Held during check and kill, so that no other thread can reap the child in between and free its process id.
        let mut child = self.lock();
        if !matches!(child.try_wait(), Ok(None)) {
            return Ok(());
        }
        let number = match signal {
            Signal::Terminate => libc::SIGTERM,
            Signal::Interrupt => libc::SIGINT,
            Signal::Kill => libc::SIGKILL,
            Signal::Stop => libc::SIGSTOP,
            Signal::Continue => libc::SIGCONT,
        };
        let pid = libc::pid_t::try_from(self.pid).context(|| "a process id out of range")?;
        // SAFETY: kill reads no memory of ours, and the child is not reaped, so the number is still its own.
        if unsafe { libc::kill(pid, number) } == 0 {
            return Ok(());
        }
        Err(io::Error::last_os_error())
            .context(|| format!("cannot send {signal:?} to {}", self.name))
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it still runs after `within`.
    pub async fn wait(&self, within: Duration) -> Result<ExitStatus> {
        wait::until(&format!("the end of {}", self.name), within, || async {
            self.exited().context(|| "it still runs")
        })
        .await
    }

    /// Ends it with SIGTERM and waits.
    ///
    /// # Errors
    /// When it still runs after `within`.
    pub async fn terminate(&self, within: Duration) -> Result<ExitStatus> {
        self.signal(Signal::Terminate)?;
        self.wait(within).await
    }

    /// Ends it with SIGKILL; when this returns it is gone.
    pub fn kill(&self) {
        let mut child = self.lock();
        // Both fail only if the child has ended, which is the goal.
        let _gone = child.kill();
        let _gone = child.wait();
    }

    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A command to start, and where its outcome goes.
type Job = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts a child that the kernel kills when this process ends.
///
/// The kernel sends the parent-death signal when the *thread* that started the child ends, and the threads of tests end
/// all the
/// time. So one thread, which runs as long as the process, starts all children.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for (command, reply) in jobs {
                // Nobody waits for the reply any more: dropping the child leaves it to the parent-death signal.
                let _nobody_waits = reply.send(spawn_here(command));
            }
        });
        Mutex::new(sender)
    });
    let (reply, outcome) = mpsc::channel();
    let gone = |_| io::Error::other("the thread that starts children has ended");
    spawner
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, reply))
        .map_err(|_| gone(()))?;
    outcome.recv().map_err(|_| gone(()))?
}

fn spawn_here(mut command: Command) -> io::Result<Child> {
    let parent = std::process::id();
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: prctl and getppid are, and no error here allocates.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the line above; then no signal will ever come.
            if u32::try_from(libc::getppid()) != Ok(parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
    command.spawn()
}

/// Kilobytes of memory that a process has in RAM, by `/proc`.
///
/// # Errors
/// When there is no such process, or no `/proc`.
pub fn resident_kib(pid: u32) -> Result<u64> {
    status_number(pid, "VmRSS:")
}

/// The most kilobytes of memory that a process has had in RAM so far, by `/proc`.
///
/// # Errors
/// When there is no such process, or no `/proc`.
pub fn peak_resident_kib(pid: u32) -> Result<u64> {
    status_number(pid, "VmHWM:")
}

/// How many threads a process has, by `/proc`.
///
/// # Errors
/// When there is no such process, or no `/proc`.
pub fn threads(pid: u32) -> Result<u64> {
    status_number(pid, "Threads:")
}

/// How many file descriptors a process has open, by `/proc`.
///
/// # Errors
/// When there is no such process, or no `/proc`.
pub fn descriptors(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/fd");
    let entries = std::fs::read_dir(&path).context(|| format!("cannot read {path}"))?;
    Ok(entries.count() as u64)
}

/// Processor time of the threads of this process whose name starts with `prefix`; those that have ended do not count.
///
/// # Errors
/// When there is no `/proc`.
pub fn cpu_time_of_threads(prefix: &str) -> Result<Duration> {
    let path = "/proc/self/task";
    let tasks = std::fs::read_dir(path).context(|| format!("cannot read {path}"))?;
    let mut all = Duration::ZERO;
    for task in tasks.flatten() {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if name.starts_with(prefix) {
            // A thread may end between the two reads.
            all += cpu_time_in(&task.path().join("stat")).unwrap_or_default();
        }
    }
    Ok(all)
}

fn status_number(pid: u32, field: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).context(|| format!("cannot read {path}"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .context(|| format!("no {field} in {path}"))
}

/// Processor time that a process has used, user and system together, by `/proc`; 10 ms fine.
///
/// # Errors
/// When there is no such process, or no `/proc`.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    cpu_time_in(Path::new(&format!("/proc/{pid}/stat")))
}

fn cpu_time_in(path: &Path) -> Result<Duration> {
    let shown = path.display();
    let stat = std::fs::read_to_string(path).context(|| format!("cannot read {shown}"))?;
    // The program's name may hold blanks and parentheses; what counts starts after the last one. utime and stime are the 14th
    // and 15th field of proc(5), so the 12th and 13th from there.
    let fields = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().skip(11).take(2));
    let ticks: Option<u64> =
        fields.and_then(|fields| fields.map(|field| field.parse::<u64>().ok()).sum());
    // USER_HZ is 100 on every Linux that Rust runs on.
    ticks
        .map(|ticks| Duration::from_millis(ticks * 10))
        .ok_or_else(|| Error::new(format!("cannot make sense of {shown}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_descriptors_and_processor_time_are_those_of_the_process() {
        let me = std::process::id();
        let (threads_before, descriptors_before) = (threads(me).unwrap(), descriptors(me).unwrap());
        let file = std::fs::File::open("/dev/null").unwrap();
        let (stop, stopped) = mpsc::channel::<()>();
        let (working, began) = mpsc::channel();
        let busy = std::thread::Builder::new().name("busy-thread".to_owned());
        let busy = busy.spawn(move || {
            let work = crate::clock::Stopwatch::start();
            while work.elapsed() < Duration::from_millis(100) {}
            working.send(()).unwrap();
            stopped.recv().unwrap_or_default();
        });
        began.recv().unwrap();
        // Other tests begin and end threads and files meanwhile; these two are here in any case.
        assert!(threads(me).unwrap() >= 2 && threads_before >= 1);
        assert!(descriptors(me).unwrap() >= 4 && descriptors_before >= 3);
        let used = cpu_time_of_threads("busy-thread").unwrap();
        assert!(
            used > Duration::ZERO && used <= cpu_time(me).unwrap(),
            "{used:?}"
        );
        assert_eq!(
            cpu_time_of_threads("no-such-thread").unwrap(),
            Duration::ZERO
        );
        drop((file, stop));
        busy.unwrap().join().unwrap();
        assert!(threads(u32::MAX).is_err() && descriptors(u32::MAX).is_err());
    }
}
