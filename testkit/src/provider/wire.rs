//! HTTP/1.1 as bytes: requests are read from a socket and kept unchanged, and response heads are written by hand.
//!
//! It is not a general server. It exists so that every received byte is recorded and every sent byte is under the
//! test's control.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::tls::ClientCertificate;

/// Longest head that is read.
const HEAD_LIMIT: usize = 256 * 1024;
/// Longest body that is read.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// A connection, plain or under TLS.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    /// The socket below.
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incoming {
    /// Request line and headers with the empty line that ends them.
    pub(crate) head: Vec<u8>,
    /// The body as it came, chunk sizes included.
    pub(crate) raw_body: Vec<u8>,
    /// The body, without chunk sizes.
    pub(crate) body: Vec<u8>,
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The client certificate of its connection.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
}

impl Incoming {
    /// The first header of this (lower case) name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }

    /// The path without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// What follows the question mark.
    pub(crate) fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// Whether the client lets the connection be used again.
    pub(crate) fn keeps_alive(&self) -> bool {
        !self
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Reads one request; `buffer` holds what was read beyond it. `None` when the client closed between requests.
pub(crate) async fn read_request(
    wire: &mut dyn Wire,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Incoming>> {
    let head_end = loop {
        if let Some(at) = find(buffer, b"\r\n\r\n") {
            break at + 4;
        }
        if buffer.len() > HEAD_LIMIT {
            return Err(invalid("the head is too long"));
        }
        if wire.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() {
                Ok(None)
            } else {
                Err(invalid("the request breaks off"))
            };
        }
    };
    let rest = buffer.split_off(head_end);
    let mut incoming = parse_head(std::mem::replace(buffer, rest))?;
    if incoming
        .header("expect")
        .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    {
        wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        wire.flush().await?;
    }
    if incoming
        .header("transfer-encoding")
        .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    {
        read_chunked(wire, buffer, &mut incoming).await?;
    } else if let Some(length) = incoming.header("content-length") {
        let length = length
            .trim()
            .parse()
            .map_err(|_| invalid("content-length is not a number"))?;
        incoming.raw_body = take(wire, buffer, length).await?;
        incoming.body = incoming.raw_body.clone();
    }
    Ok(Some(incoming))
}

fn parse_head(head: Vec<u8>) -> io::Result<Incoming> {
    let text = std::str::from_utf8(&head).map_err(|_| invalid("the head is not UTF-8"))?;
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(invalid("the request line is not METHOD TARGET HTTP/1.1"));
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| invalid("a header has no colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Incoming {
        method,
        target,
        headers,
        head,
        ..Incoming::default()
    })
}

async fn read_chunked(
    wire: &mut dyn Wire,
    buffer: &mut Vec<u8>,
    incoming: &mut Incoming,
) -> io::Result<()> {
    loop {
        let line_end = loop {
            if let Some(at) = find(buffer, b"\r\n") {
                break at + 2;
            }
            if wire.read_buf(buffer).await? == 0 {
                return Err(invalid("the request breaks off"));
            }
        };
        let line = take(wire, buffer, line_end).await?;
        let size = std::str::from_utf8(&line)
            .unwrap_or_default()
            .trim()
            .split(';')
            .next()
            .unwrap_or_default();
        let size = usize::from_str_radix(size, 16)
            .map_err(|_| invalid("a chunk size is not hexadecimal"))?;
        let chunk = take(wire, buffer, size.saturating_add(2)).await?;
        incoming.raw_body.extend_from_slice(&line);
        incoming.raw_body.extend_from_slice(&chunk);
        incoming.body.extend(chunk.iter().take(size));
        if size == 0 {
            return Ok(());
        }
        if incoming.body.len() > BODY_LIMIT {
            return Err(invalid("the body is too long"));
        }
    }
}

async fn take(wire: &mut dyn Wire, buffer: &mut Vec<u8>, length: usize) -> io::Result<Vec<u8>> {
    if length > BODY_LIMIT {
        return Err(invalid("the body is too long"));
    }
    while buffer.len() < length {
        if wire.read_buf(buffer).await? == 0 {
            return Err(invalid("the request breaks off"));
        }
    }
    let rest = buffer.split_off(length);
    Ok(std::mem::replace(buffer, rest))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Strict form decoding (`application/x-www-form-urlencoded`): `None` for a broken escape or what is not UTF-8.
pub(crate) fn form_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// Name and value pairs of a form or a query; `None` when one of them is broken.
pub(crate) fn form_pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((form_decode(name)?, form_decode(value)?))
        })
        .collect()
}

/// The reason phrase of a status.
pub(crate) fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Scripted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_decoding_refuses_what_is_not_form_encoded() {
        assert_eq!(form_decode("a%40b+c%3A").as_deref(), Some("a@b c:"));
        assert_eq!(form_decode("%4"), None);
        assert_eq!(form_decode("%+4"), None);
        assert_eq!(form_decode("%ff"), None, "not UTF-8");
    }
}
