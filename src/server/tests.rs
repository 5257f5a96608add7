use super::*;
use crate::clock::Clock;
use crate::metrics::{Format, Metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Generous: only a failing test waits this long.
const SOON: Duration = Duration::from_secs(100);

struct Running {
    pages: Pages,
    probes: Serving,
    metrics: Serving,
}

fn start(silence: Duration) -> Running {
    let clock = Clock::system();
    let mut pages = Pages::new(&clock, Metrics::new(clock.clone()));
    pages.liveness = Liveness::with_silence(clock, silence);
    Running {
        probes: super::probes(any(), pages.clone()).unwrap(),
        metrics: super::metrics(any(), pages.clone(), Readers::Anyone).unwrap(),
        pages,
    }
}

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Sends a raw request and returns the whole response.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(serving: &Serving, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    ask(serving.address(), &request).await
}

#[tokio::test]
async fn metrics_are_answered_as_openmetrics_to_those_who_ask_for_it() {
    let running = start(SILENCE);
    let asked = "GET /metrics HTTP/1.1\r\nhost: localhost\r\naccept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n\r\n";
    let answer = ask(running.metrics.address(), asked).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{answer}"
    );
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    let answer = get(&running.metrics, "/metrics").await;
    assert!(
        answer.contains("content-type: text/plain; version=0.0.4")
            && answer.contains("\n# TYPE oauthclient_panics_total counter\n")
            && !answer.contains("# EOF"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_standby_is_ready_and_one_that_stops_never_is_again() {
    let running = start(SILENCE);
    let status = async || {
        get(&running.probes, "/readyz")
            .await
            .split(' ')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert_eq!(status().await, "503");
    running.pages.readiness.standby();
    assert_eq!(status().await, "200");
    running.pages.readiness.leading();
    assert_eq!(status().await, "200");
    running.pages.readiness.stopping();
    running.pages.readiness.leading();
    assert_eq!(status().await, "503");
}

#[tokio::test]
async fn a_loop_that_falls_silent_is_named_and_one_that_ended_well_is_not() {
    let running = start(Duration::from_secs(2));
    let turning = running.pages.liveness.register("queue");
    let ended = running.pages.liveness.register("start-up");
    let panicked = running.pages.liveness.register("watch of oauthclients");
    ended.finish();
    drop(panicked);
    let answer = get(&running.probes, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let silent = async {
        loop {
            turning.beat();
            let answer = get(&running.probes, "/healthz").await;
            if answer.starts_with("HTTP/1.1 503") {
                return answer;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let answer = timeout(SOON, silent).await.unwrap();
    assert!(
        answer.contains("no sign of life from: watch of oauthclients (for ")
            && !answer.contains("queue")
            && !answer.contains("start-up"),
        "{answer}"
    );
}

#[tokio::test]
async fn each_port_answers_its_own_paths_alone() {
    let running = start(SILENCE);
    for (serving, path) in [
        (&running.probes, "/metrics"),
        (&running.probes, "/debug"),
        (&running.metrics, "/healthz"),
        (&running.metrics, "/readyz"),
    ] {
        let answer = get(serving, path).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    let post = "POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    for serving in [&running.probes, &running.metrics] {
        let answer = ask(serving.address(), post).await;
        assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    }
}

/// Unfinished requests: twice as many as the port's limit.
async fn unfinished(serving: &Serving, places: usize) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..2 * places {
        let mut stream = TcpStream::connect(serving.address()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
        held.push(stream);
    }
    held
}

#[tokio::test]
async fn unfinished_requests_in_every_place_keep_nobody_out() {
    let running = start(SILENCE);
    for (serving, places, path) in [
        (&running.probes, PROBES.connections, "/healthz"),
        (&running.metrics, METRICS.connections, "/metrics"),
    ] {
        let held = unfinished(serving, places).await;
        let answer = timeout(SOON, get(serving, path)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        drop(held);
    }
    let page = running.pages.metrics.render(Format::Text);
    assert!(
        !page.contains("connections_displaced_total{port=\"probes\"} 0"),
        "{page}"
    );
}

#[tokio::test]
async fn a_request_that_is_not_finished_in_time_is_closed() {
    let running = start(SILENCE);
    let mut stream = TcpStream::connect(running.probes.address()).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let closed = timeout(SOON, stream.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "it is still open");
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn after_closing_nobody_is_let_in() {
    let running = start(SILENCE);
    let address = running.metrics.address();
    let answer = get(&running.metrics, "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200"));
    timeout(SOON, running.metrics.close()).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_reported_with_the_flag_to_change() {
    let running = start(SILENCE);
    let taken = running.probes.address();
    let pages = running.pages.clone();
    let error = super::probes(taken, pages.clone()).err().unwrap();
    assert!(error.to_string().contains("--probe-listen"), "{error}");
    let error = super::metrics(taken, pages, Readers::Anyone).err().unwrap();
    assert!(error.to_string().contains("--listen"), "{error}");
}

#[test]
fn a_process_with_few_files_gives_its_ports_few_of_them() {
    assert_eq!(within(PROBES, 65_536).connections, 256);
    assert_eq!(within(PROBES, 1024).connections, 128);
    assert_eq!(within(METRICS, 64).connections, 8);
    assert_eq!(within(METRICS, 1).connections, 2);
}
