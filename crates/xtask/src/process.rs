//! Child processes: run to the end, read while they run, and never left behind.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

/// Says on one line what happens next, and how long after the first such line.
pub(crate) fn announce(what: &str) {
    static START: OnceLock<Instant> = OnceLock::new();
    let seconds = START.get_or_init(Instant::now).elapsed().as_secs();
    eprintln!("\n==> [{:02}:{:02}] {what}", seconds / 60, seconds % 60);
}

/// The command `program` with `arguments`, split at blanks.
pub(crate) fn command(program: impl AsRef<Path>, arguments: &str) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(arguments.split_ascii_whitespace());
    command
}

/// The cargo that runs this xtask, so that a toolchain override holds for the whole run.
pub(crate) fn cargo(arguments: &str) -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()).as_ref() as &Path, arguments)
}

/// Runs `command` to its end.
///
/// # Errors
/// When it cannot start, or ends with anything but success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    require_success(command, status)
}

/// Runs `command` to its end, shows its standard output while it runs, and returns the lines that `keep` chooses.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_and_keep(command: &mut Command, keep: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {}", shown(command)))?;
    let mut kept = Vec::new();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line).into_owned();
            // A closed pipe at our own end is no reason to fail the run.
            let _ = writeln!(std::io::stdout(), "{line}");
            if keep(&line) {
                kept.push(line);
            }
        }
    }
    let status = child.wait()?;
    require_success(command, status)?;
    Ok(kept)
}

/// Runs `command` to its end and shows its output only when it fails.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        eprintln!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    require_success(command, output.status)
}

/// Standard output of `command`; `None` when it cannot start or fails.
pub(crate) fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn require_success(command: &Command, status: ExitStatus) -> Result<()> {
    ensure!(status.success(), "{} failed ({status})", shown(command));
    Ok(())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_else(|| command.get_program());
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// A child and all its descendants, ended together when this is dropped.
///
/// `wrangler` starts a second Node, which starts `workerd`: killing only the first would leave the port taken.
pub(crate) struct Group {
    pub(crate) child: Child,
}

impl Group {
    /// Starts `command` as the leader of a process group of its own.
    ///
    /// # Errors
    /// When it cannot start.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let child = command.spawn().with_context(|| format!("cannot start {}", shown(command)))?;
        Ok(Self { child })
    }

    #[cfg(unix)]
    fn signal(&self, signal: nix::sys::signal::Signal) {
        if let Ok(id) = i32::try_from(self.child.id()) {
            // Failure means that the group is gone, which is what we want.
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(id), signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        {
            self.signal(nix::sys::signal::Signal::SIGTERM);
            for _ in 0..30 {
                if matches!(self.child.try_wait(), Ok(Some(_))) {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            self.signal(nix::sys::signal::Signal::SIGKILL);
        }
        #[cfg(not(unix))]
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
