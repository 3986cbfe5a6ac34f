{{- define "kilde.selector" -}}
app.kubernetes.io/name: kilde
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kilde.labels" -}}
{{ include "kilde.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
