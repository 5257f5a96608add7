{{/* What the operator may do in each namespace that it serves; the same as in deploy/. */}}
{{- define "oauthclient-operator.rules" -}}
- apiGroups: [oauthclient.dev]
  resources: [oauthclients]
  verbs: [get, list, watch]
# The finalizer of OAuthClients with revocation; nothing else of them is written.
- apiGroups: [oauthclient.dev]
  resources: [oauthclients]
  verbs: [patch]
- apiGroups: [oauthclient.dev]
  resources: [oauthclients/status]
  verbs: [update, patch]
# Credentials are read, token Secrets are written. RBAC cannot tell Secrets apart by label; the operator does.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
# CA bundles.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* The addition for OAuthClients that authenticate with tokens of ServiceAccounts. */}}
{{- define "oauthclient-operator.tokenRules" -}}
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get]
- apiGroups: [""]
  resources: [serviceaccounts/token]
  verbs: [create]
{{- end -}}

{{/* To restart workloads: the rules of deploy/restart. */}}
{{- define "oauthclient-operator.restartRules" -}}
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, patch]
{{- end -}}

{{/*
A role and its binding to the operator. Takes: root, name, namespace (empty: for the whole cluster), rules.
*/}}
{{- define "oauthclient-operator.grant" -}}
{{- $prefix := ternary "" "Cluster" (not (empty .namespace)) -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $prefix }}Role
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "oauthclient-operator.labels" .root | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $prefix }}RoleBinding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "oauthclient-operator.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $prefix }}Role
  name: {{ .name }}
subjects:
  {{- include "oauthclient-operator.subjects" .root | nindent 2 }}
{{- end -}}
