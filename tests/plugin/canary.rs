//! What a login transfers: codes, verifiers, device codes, keys, assertions and tokens. Whatever its result, and
//! although the
//! provider repeats what was sent, none of them appears in the output of the plugin, in the browser, or in what the
//! operator reports.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::jose;
use testkit::leaks;
use testkit::provider::{Authentication, Fault};
use testkit::tls::{Authority, ClientCertificates, Leaf};

use super::code::{CODE, PATH, SECRET, Stage};
use super::rig::parameter;

const DEVICE: &str = "canary-device-code/+=&%";
/// Parameters whose values are secret.
const PARAMETERS: [&str; 5] = [
    "code",
    "code_verifier",
    "client_assertion",
    "device_code",
    "refresh_token",
];

fn error(status: u16, code: &str) -> Fault {
    Fault::Error {
        status,
        code: code.to_owned(),
        description: None,
        echo: true,
        retry_after: None,
    }
}

fn answer(status: u16, content_type: &str, body: &str) -> Fault {
    Fault::Answer {
        status,
        content_type: content_type.to_owned(),
        body: body.to_owned(),
        headers: Vec::new(),
    }
}

/// A login that goes wrong in this way.
fn faults() -> [Fault; 5] {
    [
        error(401, "invalid_client"),
        error(400, "invalid_grant"),
        error(400, CODE),
        answer(500, "text/html", "<p>{{request}}</p>"),
        answer(200, "application/json", "{\"{{request}}"),
    ]
}

struct Canary {
    stage: Stage,
    /// What is secret beforehand.
    secrets: Vec<String>,
    /// What was printed, and shown in the browser.
    shown: String,
}

impl Canary {
    /// A client that proves itself in this way, with these credentials.
    async fn new(method: &str, data: &Value, secrets: &[String]) -> Canary {
        let stage = Stage::with("", "  grant: {type: refresh_token}").await;
        let patch = json!({"stringData": data}).to_string();
        let secret = ["patch", "secret", "client", "-p", &patch];
        stage.rig.kubectl(&secret).await;
        let patch = json!({"spec": {"clientAuthentication": {"method": method}}}).to_string();
        let resource = ["patch", "oac", "api", "--type=merge", "-p", &patch];
        stage.rig.kubectl(&resource).await;
        let device = json!({
            "device_code": DEVICE,
            "user_code": "WDJB-MJHT",
            "verification_uri": "https://login.example.com/device",
            "expires_in": 600,
            "interval": 1,
        });
        let device = answer(200, "application/json", &device.to_string());
        stage.provider.set_fault("/device", Some(device));
        let mut all = vec![SECRET, CODE, DEVICE, "canary-token"];
        all.extend(secrets.iter().map(String::as_str));
        Canary {
            secrets: all.into_iter().map(str::to_owned).collect(),
            shown: String::new(),
            stage,
        }
    }

    async fn logs_in_by_code(&mut self, code: i32) {
        let running = self.stage.login(&["--no-browser"]);
        let address = running.address().await;
        let state = parameter(&address, "state").unwrap();
        let right = [("code", CODE), ("state", state.as_str())];
        let (_, page) = self.stage.comes_back(&address, &right).await;
        let ended = running.ended().await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        self.shown += &format!("{page}{}{}", ended.out, ended.err);
    }

    async fn logs_in_by_device(&mut self, code: i32) {
        let ended = self.stage.login(&["--device"]).ended().await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        self.shown += &format!("{}{}", ended.out, ended.err);
    }

    /// Everything secret that was sent or issued so far.
    fn secrets(&self) -> BTreeSet<String> {
        let provider = &self.stage.provider;
        let mut all: BTreeSet<String> = self.secrets.iter().cloned().collect();
        for request in provider.requests() {
            let form = request.form().into_iter();
            let own = form.filter(|(name, _)| PARAMETERS.contains(&name.as_str()));
            all.extend(own.flat_map(|(_, value)| leaks::parts(&value)));
            let authorization = request.header("authorization").unwrap_or_default();
            all.extend(authorization.split(' ').nth(1).map(str::to_owned));
        }
        all.extend(provider.refresh_tokens(PATH));
        all.extend(provider.tokens(PATH).into_iter().map(|issued| issued.token));
        all
    }

    fn holds_none(&self, place: &str, text: &str) {
        let secrets = self.secrets();
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        assert!(!text.is_empty(), "{place} is empty");
        let leak = leaks::find(text, &secrets);
        assert!(leak.is_none(), "{place}: {leak:?}");
    }

    /// Every kind of login, through every failure and to a success; then what the operator reports about it. `advice`:
    /// what to check
    /// when the provider refuses the client.
    async fn through_all(mut self, advice: &str) {
        for fault in faults() {
            self.stage.provider.set_fault(PATH, Some(fault));
            self.logs_in_by_code(1).await;
        }
        for end in [error(400, "expired_token"), error(401, "invalid_client")] {
            self.stage.provider.update(PATH, |behaviour| {
                let [.., page, _] = faults();
                behaviour.faults = vec![Some(error(400, "authorization_pending")), Some(page)];
                behaviour.fault = Some(end);
            });
            self.logs_in_by_device(1).await;
        }
        let provider = &self.stage.provider;
        provider.update(PATH, |behaviour| behaviour.faults.clear());
        provider.set_fault(PATH, None);
        self.logs_in_by_device(0).await;
        self.logs_in_by_code(0).await;
        self.stage
            .provider
            .set_fault("/device", Some(error(401, "invalid_client")));
        self.logs_in_by_device(1).await;
        let requests = self.stage.provider.requests();
        let count = |name: &str| {
            let values = requests
                .iter()
                .filter_map(|request| request.form_value(name));
            values.collect::<BTreeSet<String>>().len()
        };
        assert_eq!(
            count("code_verifier"),
            6,
            "a new one for each login by code"
        );
        assert_eq!((count("code"), count("device_code")), (1, 1));
        self.holds_none("the plugin", &self.shown);
        assert!(self.shown.contains(advice), "{}", self.shown);
        let of_secret = self.shown.contains("Check client id, client secret");
        assert_eq!(of_secret, advice.contains("secret"), "{}", self.shown);
        self.operator_tells_nothing().await;
    }

    async fn operator_tells_nothing(&self) {
        let rig = &self.stage.rig;
        let operator = rig.operator().await;
        let ready = ["wait", "--for=condition=Ready", "oac/api", "--timeout=100s"];
        rig.kubectl(&ready).await;
        let failing = error(400, "invalid_grant");
        self.stage.provider.set_fault(PATH, Some(failing));
        let refresh = rig.run(&["refresh", "api", "--wait"]).await;
        assert_eq!(refresh.code, Some(3), "{refresh:?}");
        let (_, metrics) = operator.get("/metrics").await.unwrap();
        self.holds_none("refresh", &format!("{}{}", refresh.out, refresh.err));
        self.holds_none("the log", &operator.stderr());
        self.holds_none("the metrics", &metrics);
        for command in [
            "status",
            "status api",
            "status -o=wide",
            "status -o=json",
            "credentials list",
            "credentials check",
            "doctor",
            "report -f=-",
        ] {
            let args: Vec<&str> = command.split(' ').collect();
            let ended = rig.run(&args).await;
            self.holds_none(command, &format!("{}{}", ended.out, ended.err));
        }
        for command in [
            "describe oac api",
            "get oac -o=yaml",
            "get events -o=yaml",
            "describe secret api-login",
            "get secret api-login api-refresh-state api-token -o=jsonpath={.items[*].metadata}",
        ] {
            let args: Vec<&str> = command.split(' ').collect();
            self.holds_none(command, &rig.kubectl(&args).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_a_client_secret_shows_nothing_of_what_passes_through_it() {
    let canary = Canary::new("client_secret_basic", &json!({}), &[]).await;
    canary.through_all("Check client id, client secret").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_a_private_key_shows_neither_the_key_nor_what_is_signed_with_it() {
    let keys = jose::make("rsa").unwrap();
    let mut secrets = leaks::key_parts(&keys.pkcs8);
    secrets.extend(leaks::key_parts(&keys.jwk.to_string()));
    let data = json!({"private_key": keys.pkcs8});
    let canary = Canary::new("private_key_jwt", &data, &secrets).await;
    canary.stage.provider.update(PATH, |behaviour| {
        behaviour.accepts.authentication = vec![Authentication::ClientAssertion];
        behaviour.accepts.clients[0].public_jwk = keys.public_jwk.clone();
    });
    canary.through_all("key at the provider").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_a_certificate_shows_nothing_of_its_key() {
    let authority = Authority::new("plugin clients").unwrap();
    let identity = authority.issue_client(Leaf::Good, "app").unwrap();
    let secrets = leaks::key_parts(&identity.key_pem);
    let data = json!({"tls.crt": identity.certificate_pem, "tls.key": identity.key_pem});
    let canary = Canary::new("tls_client_auth", &data, &secrets).await;
    let provider = &canary.stage.provider;
    provider.update(PATH, |behaviour| {
        behaviour.accepts.authentication = vec![Authentication::Certificate];
    });
    provider
        .ask_for_certificates(ClientCertificates::Any)
        .unwrap();
    canary
        .through_all("the provider knows the client certificate")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_show_nothing_of_what_goes_into_them_though_the_api_server_refuses_and_repeats_them()
 {
    let stage = Stage::new().await;
    let rig = &stage.rig;
    let keys = jose::make("rsa").unwrap();
    let file = rig.home.path().join("key.pem");
    std::fs::write(&file, &keys.pkcs8).unwrap();
    let key = format!("private_key={}", file.display());
    let nobody = rig.plane.service_account(&rig.namespace, "default");
    let kubeconfig = rig.home.path().join("nobody");
    nobody.await.unwrap().write(&kubeconfig).unwrap();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let mut secrets = leaks::key_parts(&keys.pkcs8);
    secrets.push(SECRET.to_owned());
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    // A key that no Secret may have: what the API server says of that is its own.
    let invalid = format!("no key={}", file.display());
    let cases = [
        (0, "app", vec!["--key", &key]),
        (1, "app", vec!["--key", &key]),
        (0, "app", vec!["--key", &key, "--replace", "--dry-run"]),
        (0, "app", vec!["--key", &key, "--replace"]),
        (1, "other", vec!["--key", &invalid]),
        (1, "No_Name", vec!["--key", &key]),
        (1, "third", vec!["--key", &key, "--kubeconfig", kubeconfig]),
    ];
    for (code, name, more) in cases {
        let mut args = vec!["credentials", "create", name, "--client-id=app"];
        args.extend(["--secret-from-stdin", "--for=api", "-n", &rig.namespace]);
        args.extend(more);
        let ended = rig.start_as_is(&args, Some(SECRET)).ended().await;
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
        let said = format!("{}{}", ended.out, ended.err);
        assert!(!said.is_empty(), "{args:?}");
        let leak = leaks::find(&said, &secrets);
        assert!(leak.is_none(), "{args:?}: {leak:?}");
    }
    let data = rig.secret("app").await.unwrap();
    assert_eq!(
        (&*data["client_secret"], &data["private_key"]),
        (SECRET, &keys.pkcs8)
    );
}
