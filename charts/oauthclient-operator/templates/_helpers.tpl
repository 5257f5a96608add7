{{- define "oauthclient-operator.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Names of objects: the release's name where it holds the chart's, else both. 24 characters remain for suffixes. */}}
{{- define "oauthclient-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 39 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "oauthclient-operator.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $full | trunc 39 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "oauthclient-operator.serviceAccountName" -}}
{{- $default := ternary (include "oauthclient-operator.fullname" .) "default" .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default $default -}}
{{- end -}}

{{- define "oauthclient-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "oauthclient-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "oauthclient-operator.labels" -}}
{{- include "oauthclient-operator.labelsWith" (dict "root" . "extra" (dict)) -}}
{{- end -}}

{{/* The same with those of one object. Takes: root, extra. The chart's own win, since selectors and tools rely on them. */}}
{{- define "oauthclient-operator.labelsWith" -}}
{{- $own := include "oauthclient-operator.selectorLabels" .root | fromYaml -}}
{{- $own = merge $own (dict "app.kubernetes.io/version" .root.Chart.AppVersion "app.kubernetes.io/managed-by" .root.Release.Service) -}}
{{- $own = merge $own (dict "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_")) -}}
{{- merge (dict) $own .extra .root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* Labels of the pods: nothing that changes with every version of the chart, or each upgrade would restart them. */}}
{{- define "oauthclient-operator.podLabels" -}}
{{- $own := include "oauthclient-operator.selectorLabels" . | fromYaml -}}
{{- merge (dict) $own .Values.podLabels .Values.commonLabels | toYaml -}}
{{- end -}}

{{- define "oauthclient-operator.image" -}}
{{- $image := .Values.image -}}
{{- $repository := $image.repository -}}
{{- if $image.registry -}}
{{- $repository = printf "%s/%s" $image.registry $repository -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s%s@%s" $repository (empty $image.tag | ternary "" (printf ":%s" $image.tag)) $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The namespaces that are served in namespaced mode, separated by commas. */}}
{{- define "oauthclient-operator.namespaces" -}}
{{- .Values.namespaced.namespaces | default (list .Release.Namespace) | uniq | join "," -}}
{{- end -}}

{{/* The namespaces with Roles to make tokens of ServiceAccounts, separated by commas; empty means a ClusterRole. */}}
{{- define "oauthclient-operator.tokenNamespaces" -}}
{{- if .Values.serviceAccountTokens.namespaces -}}
{{- .Values.serviceAccountTokens.namespaces | uniq | join "," -}}
{{- else if .Values.namespaced.enabled -}}
{{- include "oauthclient-operator.namespaces" . -}}
{{- end -}}
{{- end -}}

{{/* The namespaces with Roles to restart workloads, separated by commas; empty means a ClusterRole. */}}
{{- define "oauthclient-operator.restartNamespaces" -}}
{{- if .Values.restart.namespaces -}}
{{- .Values.restart.namespaces | uniq | join "," -}}
{{- else if .Values.namespaced.enabled -}}
{{- include "oauthclient-operator.namespaces" . -}}
{{- end -}}
{{- end -}}

{{/* Whose rights the roles grant. */}}
{{- define "oauthclient-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "oauthclient-operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* "true" where certificates of the chart's values are mounted. */}}
{{- define "oauthclient-operator.caBundle" -}}
{{- with .Values.caBundle -}}
{{- if or .inline .configMapName .secretName -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* What no schema can check. */}}
{{- define "oauthclient-operator.check" -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor and metrics.podMonitor are both enabled: every metric would be scraped twice. Disable one of them." -}}
{{- end -}}
{{- if and .Values.namespaced.enabled .Values.metrics.auth -}}
{{- fail "metrics.auth needs rights in the whole cluster, which namespaced mode does not grant. Disable it, or limit who may connect with networkPolicy.metricsFrom." -}}
{{- end -}}
{{- if and .Values.namespaced.namespaces (not .Values.namespaced.enabled) -}}
{{- fail "namespaced.namespaces names namespaces, but namespaced.enabled is false: every namespace would be served. Set namespaced.enabled=true." -}}
{{- end -}}
{{- if and .Values.serviceAccountTokens.namespaces (not .Values.serviceAccountTokens.enabled) -}}
{{- fail "serviceAccountTokens.namespaces names namespaces, but serviceAccountTokens.enabled is false: no right would be granted. Set serviceAccountTokens.enabled=true." -}}
{{- end -}}
{{- if and .Values.restart.namespaces (not .Values.restart.enabled) -}}
{{- fail "restart.namespaces names namespaces, but restart.enabled is false: no right would be granted. Set restart.enabled=true." -}}
{{- end -}}
{{- end -}}
