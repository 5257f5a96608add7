// Checks of manifests with the Go packages that the tools of the ecosystem use.
//
//	go-checks kstatus    reads an object as JSON; prints what kstatus makes of it: its status, a tab, the message
//	go-checks monitoring reads PodMonitors and PrometheusRules as YAML; fails for what the Prometheus Operator's types do not know
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: go-checks kstatus|monitoring < FILE")
	}
	switch args[0] {
	case "kstatus":
		return kstatus(os.Stdin, os.Stdout)
	case "monitoring":
		return monitoring(os.Stdin, os.Stdout)
	default:
		return fmt.Errorf("unknown check %q", args[0])
	}
}

func kstatus(in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(text); err != nil {
		return err
	}
	result, err := status.Compute(object)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\t%s\n", result.Status, result.Message)
	return err
}

func monitoring(in io.Reader, out io.Writer) error {
	documents := yaml.NewYAMLOrJSONDecoder(in, 4096)
	for {
		var raw json.RawMessage
		if err := documents.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var head struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			return err
		}
		var object any
		switch head.APIVersion + " " + head.Kind {
		case "monitoring.coreos.com/v1 PodMonitor":
			object = &monitoringv1.PodMonitor{}
		case "monitoring.coreos.com/v1 ServiceMonitor":
			object = &monitoringv1.ServiceMonitor{}
		case "monitoring.coreos.com/v1 PrometheusRule":
			object = &monitoringv1.PrometheusRule{}
		default:
			continue
		}
		strict := json.NewDecoder(bytes.NewReader(raw))
		strict.DisallowUnknownFields()
		if err := strict.Decode(object); err != nil {
			return fmt.Errorf("%s: %w", head.Kind, err)
		}
		if _, err := fmt.Fprintln(out, head.Kind); err != nil {
			return err
		}
	}
}
