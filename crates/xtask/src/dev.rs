//! `cargo xtask dev`: from a fresh clone to a running Postern.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::build::{Variant, build};
use crate::process::{Group, announce};
use crate::{migrations, session, setup};

const DEFAULT_PORT: u16 = 8787;
const CRON_INTERVAL: Duration = Duration::from_secs(60);

/// Beginnings of lines in which Wrangler tells what whoever develops with Postern need not know.
const HIDDEN: [&str; 12] = [
    "Cloudflare collects anonymous telemetry",
    "[custom build] Running",
    "Your Worker has access to the following bindings",
    "Binding ",
    "env.",
    "\u{2394}",
    "To manually trigger a scheduled event",
    "curl \"http",
    "For more details",
    "[wrangler:info] GET /cdn-cgi/",
    "[wrangler:info] POST /cdn-cgi/",
    "\u{1b}[33m\u{25b2} \u{1b}[43;33m[\u{1b}[43;30mWARNING\u{1b}[43;33m]\u{1b}[0m \u{1b}[1mScheduled Workers",
];

enum Event {
    Line(String),
    Interrupted,
    Ended,
}

/// Sets up, builds, starts `wrangler dev` and stays until Ctrl-C.
///
/// # Errors
/// When a step fails or the server ends by itself.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let port = match options {
        [] => DEFAULT_PORT,
        ["--port", port] => port.parse().context("--port takes a number up to 65535")?,
        _ => bail!("dev takes --port PORT"),
    };
    if TcpStream::connect(("127.0.0.1", port)).is_ok() {
        bail!("port {port} is taken: stop what listens there, or choose another with --port");
    }
    setup::everything()?;
    // Wrangler builds too; doing it first shows the compiler's own words, and Wrangler then finds it done.
    build(Variant::Development)?;
    migrations::apply_pending()?;

    announce("Starting the local server");
    let (sender, events) = channel();
    let interrupted = sender.clone();
    ctrlc::set_handler(move || {
        let _ = interrupted.send(Event::Interrupted);
    })
    .context("cannot listen for Ctrl-C")?;
    let mut server = Group::spawn(
        setup::wrangler("dev --local --ip 127.0.0.1 --show-interactive-dev-session=false --port")?
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    )?;
    forward(server.child.stdout.take(), sender.clone());
    forward(server.child.stderr.take(), sender);
    follow(&events, port)
}

fn forward(output: Option<impl Read + Send + 'static>, events: Sender<Event>) {
    let Some(output) = output else { return };
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if events.send(Event::Line(line)).is_err() {
                return;
            }
        }
        let _ = events.send(Event::Ended);
    });
}

fn follow(events: &Receiver<Event>, port: u16) -> Result<()> {
    let mut ready = false;
    loop {
        match events.recv() {
            Ok(Event::Line(line)) => {
                if !ready && line.contains("Ready on") {
                    ready = true;
                    thread::spawn(move || tick(port));
                    println!("\n{}\n", session::text(&format!("http://localhost:{port}")));
                } else if is_interesting(&line) {
                    println!("{}", line.trim_start_matches("[custom build] "));
                }
            }
            Ok(Event::Interrupted) => {
                eprintln!("\nStopping.");
                return Ok(());
            }
            Ok(Event::Ended) | Err(_) => bail!("the server ended"),
        }
    }
}

fn is_interesting(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && line != "[custom build]" && !HIDDEN.iter().any(|hidden| line.starts_with(hidden))
}

/// Stands in for Cloudflare's cron, which never fires locally.
fn tick(port: u16) {
    loop {
        thread::sleep(CRON_INTERVAL);
        // A server in the middle of a rebuild does not answer; the next minute comes.
        let _ = trigger_cron(port);
    }
}

fn trigger_cron(port: u16) -> std::io::Result<()> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(CRON_INTERVAL))?;
    let path = "/cdn-cgi/handler/scheduled?cron=*+*+*+*+*";
    write!(connection, "GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n")?;
    connection.read_to_end(&mut Vec::new())?;
    Ok(())
}
