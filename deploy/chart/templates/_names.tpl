{{- /* How things are called. Everything of a release has the release's name, or RELEASE-binnacle. */ -}}

{{- define "binnacle.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "binnacle.fullname" -}}
{{- $name := include "binnacle.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "binnacle.selector" -}}
app.kubernetes.io/name: {{ include "binnacle.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "binnacle.labels" -}}
{{ include "binnacle.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end }}

{{- define "binnacle.account" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "binnacle.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name must be set when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* Those of some resources that belong to a namespace, joined; a Role cannot grant the others. */ -}}
{{- define "binnacle.namespaced" -}}
{{- join ", " (without . "nodes" "namespaces" "persistentvolumes" "storageclasses") }}
{{- end }}

{{- /* Who knows tokens, as a YAML list: without cluster-wide rights the callers' own reviews, unless told otherwise. */ -}}
{{- define "binnacle.authenticators" -}}
{{- $confined := ternary (list "self_subject_review") (list "token_review") (not (empty .Values.rbac.namespaces)) }}
{{- toYaml (default $confined (.Values.config.auth).authenticators) }}
{{- end }}

{{- /* "true" where the API server can be told for which requests somebody may be impersonated (KEP-5284, on since 1.36). */ -}}
{{- define "binnacle.constrainedImpersonation" -}}
{{- if semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version }}true{{ end }}
{{- end }}

{{- /* The rules for rbac.impersonation.writes; in a Role without what belongs to no namespace. */ -}}
{{- define "binnacle.impersonatedWrites" -}}
{{- range .Values.rbac.impersonation.writes }}
{{- $resources := join ", " .resources }}
{{- if $.Values.rbac.namespaces }}
{{- $resources = include "binnacle.namespaced" .resources }}
{{- end }}
{{- if $resources }}
# {{ .because }}
- apiGroups: [{{ .apiGroup | quote }}]
  resources: [{{ $resources }}]
  verbs: [{{ range $number, $verb := .verbs }}{{ if $number }}, {{ end }}"impersonate-on:user-info:{{ $verb }}"{{ end }}]
{{- end }}
{{- end }}
{{- end }}

{{- define "binnacle.withoutPrometheus" -}}
in the place of a Prometheus: CPU and memory of this moment, where the cluster has metrics-server
{{- end }}

{{- define "binnacle.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "binnacle.protocol" -}}
{{- ternary "https" "http" (not (empty .Values.tls.secretName)) }}
{{- end }}

{{- define "binnacle.sharedSecret" -}}
{{- default (printf "%s-shared" (include "binnacle.fullname" .)) .Values.sharedSecret.existingSecret }}
{{- end }}

{{- /* What a container of ours may do: nothing that needs a right. */ -}}
{{- define "binnacle.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{- define "binnacle.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}
