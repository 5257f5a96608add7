//! `dashboard`: a page on loopback that shows all OAuthClients that the user may read, live.
//!
//! It works with the user's permissions and contains nothing secret. The URL has a token in its fragment, which
//! browsers never send. The page returns it in a header, without which all requests are refused. Host and Origin are
//! checked, so that no other page can send requests, whatever name it uses for this machine.

mod act;
mod card;
mod card_cache;
mod follow;
mod guard;
mod server;
mod state;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::plugin::dashboard::state::Dashboard;
use crate::plugin::problem::Problem;

use super::args::{ConnectionArgs, DashboardArgs};
use super::cluster::Cluster;
use super::login::open_browser;
use super::output;
use super::output::Storing;
use super::status::all;
use card_cache::CardCache;
use guard::Guard;

/// Serves the page until Ctrl-C.
pub(super) async fn run(
    connection: &ConnectionArgs,
    args: DashboardArgs,
    storing: &Storing,
) -> Result<u8, Problem> {
    let cluster = Cluster::connect(connection).await?;
    // Problems at the start are reported in the terminal.
    drop(all(&cluster, args.all_namespaces, None).await?);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Problem::new(format!(
            "cannot listen on {address}: {error}. Choose another port with --port, or leave it out"
        ))
    })?;
    let port = listener
        .local_addr()
        .map_err(|error| Problem::new(error.to_string()))?
        .port();
    let token = token()?;
    // In the fragment, so that no request, log or Referer contains it.
    let url = Zeroizing::new(format!("http://127.0.0.1:{port}/#{}", token.as_str()));
    let dashboard = Arc::new(Dashboard {
        guard: Guard::new(port, &token),
        store: CardCache::default(),
        cluster: cluster.quietly(),
        everywhere: args.all_namespaces,
        endpoints: args.guard,
        storing: storing.clone(),
        clock: Clock::system(),
    });
    invite(&url, args.no_browser).await;
    tokio::select! {
        ended = follow::follow(&dashboard) => Err(ended),
        () = server::serve(listener, Arc::clone(&dashboard)) => Ok(0),
    }
}

async fn invite(url: &str, no_browser: bool) {
    output::line(&format!("The dashboard is at\n\n  {url}\n"));
    if no_browser {
        output::line(
            "Open it in a browser on this machine; from another one: ssh -L PORT:127.0.0.1:PORT.",
        );
    } else if open_browser(url).await {
        output::line("It is being opened in your browser.");
    } else {
        output::line("No browser could be opened: open the address yourself.");
    }
    output::line(
        "Anyone with this URL can see what you may see while this runs. To stop, press Ctrl-C.",
    );
}

fn token() -> Result<Zeroizing<String>, Problem> {
    use base64::Engine as _;
    let mut random = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(random.as_mut_slice())
        .map_err(|_| Problem::new("the system gives no random numbers"))?;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    Ok(Zeroizing::new(engine.encode(random.as_slice())))
}
