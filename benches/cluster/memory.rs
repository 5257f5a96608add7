//! (c) Resident memory while idle, and its growth for each resource.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use serde_json::json;

use super::stage::{CALLS, Stage};

/// Idle with `count` resources beside as many unrelated Secrets of 20 KB.
pub async fn memory(count: usize) {
    println!("\n## memory, idle with {count} resources and {count} unrelated Secrets of 20 KB");
    let stage = Stage::new(86_400.0 * 30.0).await;
    unrelated(&stage, count).await;
    let mut rows = Vec::new();
    let mut made = 0;
    for number in [0, count / 2, count] {
        stage.resources(made, number - made).await;
        made = number;
        if number > 0 {
            let seen = stage.observe();
            let operator = stage.operator(&["--leader-elect=false"]).await;
            seen.all(number).await;
            tokio::time::sleep(Duration::from_secs(15)).await;
            rows.push(("after issuing all of them", number, kib(&operator)));
            operator.terminate(Duration::from_secs(70)).await.unwrap();
        }
        // A fresh process over what is there: what a pod uses day by day.
        let operator = stage.operator(&["--leader-elect=false"]).await;
        operator
            .wait_until_ready(Duration::from_secs(60))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        rows.push(("after a restart", number, kib(&operator)));
        if number == count {
            // The background check of all contents.
            tokio::time::sleep(Duration::from_secs(count as u64 / 20)).await;
            rows.push(("after all contents were checked", number, kib(&operator)));
        }
        operator.terminate(Duration::from_secs(70)).await.unwrap();
    }
    let base = rows[0].2;
    for (when, number, kib) in rows {
        let growth = if number == 0 {
            0.0
        } else {
            (kib - base) * 1024.0 / number as f64
        };
        println!(
            "{number:>6} resources, {when:<32} {:>7.1} MiB  {growth:>7.0} bytes a resource",
            kib / 1024.0
        );
    }
    println!("promised at most 24 MiB");
}

fn kib(operator: &testkit::operator::Operator) -> f64 {
    operator.resident_kib().unwrap() as f64
}

async fn unrelated(stage: &Stage, count: usize) {
    let filling = "x".repeat(20_000);
    let filling = filling.as_str();
    stream::iter(0..count)
        .for_each_concurrent(CALLS, |number| async move {
            let api: Api<Secret> = Api::namespaced(stage.client.clone(), "default");
            let object = serde_json::from_value(json!({
                "metadata": {"name": format!("unrelated-{number}")},
                "stringData": {"filling": filling},
            }))
            .unwrap();
            api.create(&PostParams::default(), &object).await.unwrap();
        })
        .await;
}
