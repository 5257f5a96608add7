//! What runs in the containers of the test: the one that holds a pod's namespaces, and the one that uses the token.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How often the token is used.
const PERIOD: Duration = Duration::from_millis(200);

/// Sleeps for as long as the pod is there.
pub(crate) fn pause() -> ExitCode {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Reads the mounted token and calls the protected endpoint with it, again and again. Prints what is not answered with 200.
pub(crate) fn call(address: &str, file: &Path) -> ExitCode {
    loop {
        match std::fs::read_to_string(file).map_err(|error| error.to_string()) {
            Err(error) => println!("no token: {error}"),
            Ok(token) => match request(address, token.trim()) {
                Ok(line) if line.contains(" 200 ") => {}
                Ok(line) => println!("{line}"),
                Err(error) => println!("no answer: {error}"),
            },
        }
        std::thread::sleep(PERIOD);
    }
}

/// The status line of the answer.
fn request(address: &str, token: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "GET / HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
