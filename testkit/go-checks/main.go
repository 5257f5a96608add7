// Checks of manifests with the Go packages that the tools of the ecosystem use.
//
//	go-checks kstatus    reads an object as JSON; prints what kstatus makes of it: its status, a tab, the message
//	go-checks argocd     reads the ConfigMap argocd-cm as YAML from the file in its second argument, and an object as JSON; prints the
//	                     health that its rule for the object's kind returns, as Argo CD runs it: the status, a tab, the message
//	go-checks monitoring reads PodMonitors and PrometheusRules as YAML; fails for what the Prometheus Operator's types do not know
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	lua "github.com/yuin/gopher-lua"
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
	switch strings.Join(args[:min(len(args), 1)], "") {
	case "kstatus":
		return kstatus(os.Stdin, os.Stdout)
	case "argocd":
		if len(args) != 2 {
			return errors.New("usage: go-checks argocd CONFIGMAP < OBJECT")
		}
		return argocd(args[1], os.Stdin, os.Stdout)
	case "monitoring":
		return monitoring(os.Stdin, os.Stdout)
	default:
		return errors.New("usage: go-checks kstatus|argocd CONFIGMAP|monitoring < FILE")
	}
}

func read(in io.Reader) (*unstructured.Unstructured, error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	return object, object.UnmarshalJSON(text)
}

func kstatus(in io.Reader, out io.Writer) error {
	object, err := read(in)
	if err != nil {
		return err
	}
	result, err := status.Compute(object)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\t%s\n", result.Status, result.Message)
	return err
}

func argocd(file string, in io.Reader, out io.Writer) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var config struct {
		Data map[string]string `json:"data"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		return err
	}
	object, err := read(in)
	if err != nil {
		return err
	}
	kind := object.GroupVersionKind()
	key := "resource.customizations.health." + kind.Group + "_" + kind.Kind
	script, found := config.Data[key]
	if !found {
		return fmt.Errorf("%s has no %s", file, key)
	}
	// As Argo CD: the base library and tables, and the object as the global obj.
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []lua.LGFunction{lua.OpenBase, lua.OpenTable} {
		library(state)
	}
	state.SetGlobal("obj", decoded(state, object.Object))
	if err := state.DoString(script); err != nil {
		return err
	}
	health, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		return errors.New("the rule returns no table")
	}
	_, err = fmt.Fprintf(out, "%s\t%s\n", health.RawGetString("status"), health.RawGetString("message"))
	return err
}

func decoded(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case float64:
		return lua.LNumber(value)
	case int64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(decoded(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, decoded(state, item))
		}
		return table
	default:
		return lua.LNil
	}
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
