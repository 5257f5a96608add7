// The definitions of ServiceMonitor, PodMonitor and PrometheusRule lie in this module; nothing of it is built.
module oauthclient.dev/testkit/tools/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
