use serde_json::json;

use super::*;

const TOKEN: &str = "s3cr3t-t0k3n";

fn parse(template: &str) -> Result<Templates, Vec<TemplateProblem>> {
    Templates::parse(&BTreeMap::from([("key".to_owned(), template.to_owned())]))
}

fn problem(template: &str) -> String {
    match parse(template) {
        Ok(_) => panic!("{template} was taken for good"),
        Err(problems) => problems[0].to_string(),
    }
}

fn render_with(
    template: &str,
    document: serde_json::Value,
    scope: Option<&str>,
) -> Result<String, RenderProblem> {
    let templates = parse(template).unwrap_or_else(|problems| panic!("{}", problems[0]));
    let token = Secret::from(TOKEN);
    let document = Document(document);
    let credentials = BTreeMap::from([("client_id".to_owned(), Secret::from("me@example.com"))]);
    let data = templates.render(&Variables {
        access_token: &token,
        token_type: "Bearer",
        expires_at: Time::from_seconds(1_700_000_000),
        scope,
        response: &document,
        credentials: &credentials,
        dpop: None,
        refresh_token: None,
        sent: &SentSecrets::default(),
        echoes: false,
    })?;
    Ok(data["key"].expose().unwrap().to_owned())
}

fn render(template: &str) -> Result<String, RenderProblem> {
    render_with(
        template,
        json!({"value": {"url": "https://x.example.com/?a=1&b=<2>"}, "n": 3}),
        None,
    )
}

#[test]
fn variables_and_filters_do_what_the_documentation_says() {
    for (template, wanted) in [
        ("{{ token_type }} {{ access_token }}", "Bearer s3cr3t-t0k3n"),
        ("{{ token_type | lower }}", "bearer"),
        ("{{ token_type | upper }}", "BEARER"),
        ("{{ '  x ' | trim }}", "x"),
        ("{{ expires_at }}", "2023-11-14T22:13:20Z"),
        ("{{ scope | default('none') }}", "none"),
        (
            "{{ (credentials.client_id ~ ':' ~ token_type) | b64encode }}",
            "bWVAZXhhbXBsZS5jb206QmVhcmVy",
        ),
        (
            "{{ response.value.url }}",
            "https://x.example.com/?a=1&b=<2>",
        ),
        (
            "{{ response.value | tojson }}",
            r#"{"url":"https://x.example.com/?a=1&b=<2>"}"#,
        ),
        (
            r#"{"auths": {"r": {"password": {{ access_token | tojson }}}}}"#,
            r#"{"auths": {"r": {"password": "s3cr3t-t0k3n"}}}"#,
        ),
        ("{{ response.n + 1 }}", "4"),
        (
            "{% if response.n > 2 %}many{% else %}few{% endif %}",
            "many",
        ),
        ("{% for k in response %}{{ k }};{% endfor %}", "n;value;"),
        ("a & b < c", "a & b < c"),
        ("", ""),
    ] {
        assert_eq!(render(template).as_deref(), Ok(wanted), "{template}");
    }
}

#[test]
fn what_cannot_work_is_found_before_a_token_is_asked_for() {
    for (template, wanted) in [
        ("{{ acces_token }}", "uses acces_token, which is not there"),
        ("{{ credentials }}", "uses credentials without a key"),
        (
            "{% for key in credentials %}{{ key }}{% endfor %}",
            "uses credentials without a key",
        ),
        (
            "{{ credentials | tojson }}",
            "uses credentials without a key",
        ),
        (
            "{{ credentials['no key'] }}",
            "uses credentials without a key",
        ),
        ("{{ access_token | sha256 }}", "unknown filter"),
        ("{{ range(3) }}", "range"),
        ("{{ access_token.split('.') }}", "calls a method"),
        ("{{ scope is defined }}", "unknown test"),
        ("{{ access_token", "is not a valid template"),
        ("{% include 'x' %}", "is not a valid template"),
        ("{% macro a() %}{% endmacro %}", "is not a valid template"),
        ("a\nb\n{{ access_token | }}", "line 3"),
    ] {
        let said = problem(template);
        assert!(said.contains(wanted), "{template}: {said}");
        assert!(said.contains("the template of key"), "{said}");
    }
}

#[test]
fn a_value_that_the_token_lacks_is_an_error_that_names_the_filter_default() {
    for template in [
        "{{ scope }}",
        "{{ response.nothing.more }}",
        "{{ credentials.username }}",
        "{{ response.nothing }}",
    ] {
        let problem = render(template).unwrap_err();
        assert!(!problem.too_large, "{template}");
        assert!(problem.to_string().contains("default"), "{problem}");
        assert!(problem.to_string().contains("key"), "{problem}");
    }
}

#[test]
fn no_error_shows_a_value() {
    for template in [
        "{{ access_token + 1 }}",
        "{{ access_token.nothing.more }}",
        "{{ response.value.url - access_token }}",
        "{{ access_token[access_token][0] }}",
        "{{ access_token | default(1, 2, 3, access_token) }}",
        "{{ {access_token: 1}[1].x }}",
        "{% for x in response.n %}{{ x }}{% endfor %}",
    ] {
        let said = match parse(template) {
            Err(problems) => problems[0].to_string(),
            Ok(_) => render(template).unwrap_err().to_string(),
        };
        assert!(
            !said.contains(TOKEN) && !said.contains("example.com"),
            "{template}: {said}"
        );
    }
}

#[test]
fn a_template_cannot_use_up_memory_or_time() {
    let many = format!(
        "{}{{{{ a }}}}",
        "{% set a = access_token %}".to_owned() + &"{% set a = a ~ a %}".repeat(60)
    );
    for template in [
        many.as_str(),
        "{{ 'x' * 90000000 }}",
        "{% for a in 'x' * 60000 %}{% for b in 'x' * 60000 %}{{ access_token }}{% endfor %}{% endfor %}",
    ] {
        let said = problem(template);
        assert!(said.contains("does more than a template may"), "{said}");
    }
    // Output that is large only because of the response is detected when it arrives.
    let document = json!({"list": vec![0; 10_000], "large": "x".repeat(10_000)});
    let template = "{% for a in response.list %}{{ response.large }}{% endfor %}";
    let problem = render_with(template, document, None).unwrap_err();
    assert!(problem.too_large, "{problem}");
}

#[test]
fn of_many_templates_that_do_too_much_one_is_told() {
    let sources: BTreeMap<String, String> = (0..60)
        .map(|number| (format!("key{number}"), "{{ 'x' * 90000000 }}".to_owned()))
        .collect();
    assert_eq!(Templates::parse(&sources).unwrap_err().len(), 1);
}

#[test]
fn what_does_not_fit_into_a_secret_is_refused_with_its_size() {
    let large = "x".repeat(600 * 1024);
    let document = json!({ "large": large });
    assert!(render_with("{{ response.large }}", document.clone(), None).is_ok());
    let problem =
        render_with("{{ response.large }}{{ response.large }}", document, None).unwrap_err();
    assert!(problem.too_large);
    assert!(problem.to_string().contains("1228800 bytes"), "{problem}");
}

#[test]
fn without_templates_there_are_four_keys_and_scope_only_where_it_is_told() {
    let templates = Templates::parse(&BTreeMap::new()).unwrap();
    let (token, document) = (Secret::from(TOKEN), Document(json!({})));
    let mut variables = Variables {
        access_token: &token,
        token_type: "Bearer",
        expires_at: Time::from_seconds(0),
        scope: None,
        response: &document,
        credentials: &BTreeMap::new(),
        dpop: None,
        refresh_token: None,
        sent: &SentSecrets::default(),
        echoes: false,
    };
    let keys = |data: Result<BTreeMap<String, Secret>, RenderProblem>| {
        data.unwrap().into_keys().collect::<Vec<_>>()
    };
    assert_eq!(
        keys(templates.render(&variables)),
        ["access_token", "expires_at", "token_type"]
    );
    variables.scope = Some("read");
    assert_eq!(
        keys(templates.render(&variables)),
        ["access_token", "expires_at", "scope", "token_type"]
    );
}

#[test]
fn it_is_known_what_the_data_depends_on() {
    let templates = parse("{{ token_type }} {{ response.a.b }}").unwrap();
    assert!(templates.uses("response") && templates.uses("token_type"));
    assert!(!templates.uses("expires_at") && !templates.uses("access_token"));
    assert!(
        Templates::parse(&BTreeMap::new())
            .unwrap()
            .uses("expires_at")
    );
}
