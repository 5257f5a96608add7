//! The API that the workload calls: it answers 200 to a token that the provider's book calls valid now, else 401.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use testkit::provider::Provider;

/// What has been asked so far.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Requests with a valid token.
    pub(crate) accepted: usize,
    /// What was wrong with the others.
    pub(crate) refused: Vec<String>,
    /// The valid tokens that were used.
    pub(crate) tokens: BTreeSet<String>,
}

/// A running endpoint; it ends with the process.
pub(crate) struct Protected {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Asked>>,
}

impl Protected {
    pub(crate) fn start(at: Ipv4Addr, provider: Arc<Provider>) -> Protected {
        let listener = TcpListener::bind((at, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Asked::default()));
        let book = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &provider, &book);
            }
        });
        Protected { address, asked }
    }

    /// Looks into the book.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Asked) -> T) -> T {
        at(&self.asked.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, provider: &Provider, book: &Mutex<Asked>) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let headers = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty());
    let token = headers
        .filter_map(|line| {
            line.strip_prefix("authorization: Bearer ")
                .map(str::to_owned)
        })
        .last()
        .unwrap_or_default();
    let until = provider.introspect(&token);
    let now = testkit::clock::now();
    let valid = until.is_some_and(|until| until > now);
    {
        let mut asked = book.lock().unwrap();
        if valid {
            asked.accepted += 1;
            asked.tokens.insert(token);
        } else {
            asked
                .refused
                .push(format!("at {now}: {until:?} is the end of {token:?}"));
        }
    }
    let status = if valid { "200 OK" } else { "401 Unauthorized" };
    let _gone_already = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
}
