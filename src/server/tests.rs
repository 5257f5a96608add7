use super::*;
use crate::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

struct Running {
    address: SocketAddr,
    pages: Pages,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

async fn start(silence: Duration) -> Running {
    let clock = Clock::system();
    let pages = Pages {
        liveness: Liveness::with_silence(clock.clone(), silence),
        readiness: Readiness::default(),
        metrics: Metrics::new(clock),
    };
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(serve(listener, pages.clone(), async move {
        let _ = stopped.await;
    }));
    Running {
        address,
        pages,
        stop: Some(stop),
        task,
    }
}

/// One raw request; the whole answer.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(address: SocketAddr, path: &str) -> String {
    ask(
        address,
        &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn metrics_are_answered_as_openmetrics_to_those_who_ask_for_it() {
    let running = start(SILENCE).await;
    let asked = "GET /metrics HTTP/1.1\r\nhost: localhost\r\naccept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n\r\n";
    let answer = ask(running.address, asked).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{answer}"
    );
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    let answer = get(running.address, "/metrics").await;
    assert!(
        answer.contains("content-type: text/plain; version=0.0.4")
            && answer.contains("\n# TYPE oauthclient_panics_total counter\n")
            && !answer.contains("# EOF"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_standby_is_ready_and_one_that_stops_never_is_again() {
    let running = start(SILENCE).await;
    let status = async || {
        get(running.address, "/readyz")
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
    let running = start(Duration::from_millis(100)).await;
    let turning = running.pages.liveness.register("queue");
    let ended = running.pages.liveness.register("start-up");
    let panicked = running.pages.liveness.register("watch of oauthclients");
    ended.finish();
    drop(panicked);
    assert!(
        get(running.address, "/healthz")
            .await
            .starts_with("HTTP/1.1 200")
    );
    sleep(Duration::from_millis(150)).await;
    turning.tick();
    let answer = get(running.address, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.ends_with("no sign of life from: watch of oauthclients (for 0 s)\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let running = start(SILENCE).await;
    assert!(
        get(running.address, "/debug")
            .await
            .starts_with("HTTP/1.1 404")
    );
    let posted = ask(
        running.address,
        "POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    );
    assert!(posted.await.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn idle_connections_up_to_the_bound_do_not_keep_a_probe_out() {
    let running = start(SILENCE).await;
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        idle.push(TcpStream::connect(running.address).await.unwrap());
    }
    let answer = timeout(
        HEADER_DEADLINE + Duration::from_secs(3),
        get(running.address, "/healthz"),
    );
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn after_shutdown_nobody_is_let_in_and_the_server_ends() {
    let mut running = start(SILENCE).await;
    assert!(
        get(running.address, "/metrics")
            .await
            .starts_with("HTTP/1.1 200")
    );
    running.stop.take().unwrap().send(()).unwrap();
    timeout(Duration::from_secs(5), running.task)
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_reported_with_the_flag_to_change() {
    let taken = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let error = listen(taken.local_addr().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("--listen"), "{error}");
}
