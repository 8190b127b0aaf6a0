{{/* The names of objects: the release's name, and the chart's if it is not part of it. */}}
{{- define "esnap.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name -}}
{{- end -}}
{{- end -}}

{{/* A name made of the full name and more words. Kubernetes appends up to 11 characters to the name of a CronJob. */}}
{{- define "esnap.name" -}}
{{- $name := join "-" (prepend .words (include "esnap.fullname" .root)) -}}
{{- if gt (len $name) 52 -}}
{{- fail (printf "the name %s has %d characters, and 52 is the limit. Set fullnameOverride, or choose a shorter name" $name (len $name)) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "esnap.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "esnap.labels" -}}
{{ include "esnap.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* What the Kubernetes version has. */}}
{{- define "esnap.since" -}}
{{- if semverCompare (printf ">=%s-0" .version) .root.Capabilities.KubeVersion.Version }}yes{{ end -}}
{{- end -}}

{{- define "esnap.cronJobVersion" -}}
{{- if include "esnap.since" (dict "root" . "version" "1.21.0") }}batch/v1{{ else }}batch/v1beta1{{ end -}}
{{- end -}}

{{/* The time zone of a CronJob, as a line or nothing. */}}
{{- define "esnap.timeZone" -}}
{{- if include "esnap.since" (dict "root" .root "version" "1.27.0") -}}
timeZone: {{ .zone | quote }}
{{- else if not (has .zone (list "Etc/UTC" "UTC")) -}}
{{- fail (printf "%s: timeZone: %s needs Kubernetes 1.27 or later. Here the schedule is in the time zone of the controller, which usually is UTC" .what .zone) -}}
{{- end -}}
{{- end -}}

{{/* Seconds of a duration such as 5h30m. */}}
{{- define "esnap.seconds" -}}
{{- $h := regexFind "[0-9]+h" . | trimSuffix "h" | default "0" | atoi -}}
{{- $m := regexFind "[0-9]+m" . | trimSuffix "m" | default "0" | atoi -}}
{{- $s := regexFind "[0-9]+s" . | trimSuffix "s" | default "0" | atoi -}}
{{- add (mul $h 3600) (mul $m 60) $s -}}
{{- end -}}

{{/* Refuses a Job that Kubernetes would end before esnap ends. */}}
{{- define "esnap.deadlines" -}}
{{- $need := mul (include "esnap.seconds" .deadline | atoi) (add1 (int .backoffLimit)) -}}
{{- if le (int .activeDeadlineSeconds) (int $need) -}}
{{- fail (printf "%s: activeDeadlineSeconds is %d, but it must be more than %d: deadline %s, in %d pods" .what (int .activeDeadlineSeconds) (int $need) .deadline (int (add1 (int .backoffLimit)))) -}}
{{- end -}}
{{- end -}}

{{/*
All files, of jobs and of serve, as JSON: a list of {name, configMap, key, path}.
*/}}
{{- define "esnap.files" -}}
{{- $files := list -}}
{{- $names := list -}}
{{- $served := ternary .Values.serve.files list .Values.serve.enabled -}}
{{- range concat .Values.jobs $served -}}
  {{- if has .name $names -}}
    {{- fail (printf "two files or jobs have the name %s" .name) -}}
  {{- end -}}
  {{- $names = append $names .name -}}
  {{- $path := printf "/etc/esnap/jobs/%s.yml" .name -}}
  {{- if get . "file" -}}
    {{- $files = append $files (dict "name" .name "configMap" (printf "%s-files" (include "esnap.fullname" $)) "key" (printf "%s.yml" .name) "path" $path "inline" .file) -}}
  {{- else if get . "configMap" -}}
    {{- $files = append $files (dict "name" .name "configMap" .configMap.name "key" .configMap.key "path" $path) -}}
  {{- end -}}
{{- end -}}
{{- toJson (dict "files" $files) -}}
{{- end -}}

{{- define "esnap.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "esnap.labels" .root | nindent 2 }}
  {{- with get . "component" }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
{{- end -}}

{{- define "esnap.podMetadata" -}}
{{- with .root.Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
labels:
  {{- include "esnap.selector" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  {{- with get . "job" }}
  esnap/job: {{ . }}
  {{- end }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/*
The spec of every pod. In the dict: root, args, files (some of esnap.files), env,
deadline, grace, restartPolicy; for serve: serve.
*/}}
{{- define "esnap.podSpec" -}}
{{- $v := .root.Values -}}
{{- $serve := get . "serve" -}}
{{- if get . "restartPolicy" }}
restartPolicy: {{ .restartPolicy }}
{{- end }}
# esnap talks to the cluster only, never to Kubernetes.
automountServiceAccountToken: false
# A Service that is called esnap would add variables that begin with ESNAP_.
enableServiceLinks: false
{{- with get . "grace" }}
terminationGracePeriodSeconds: {{ . }}
{{- end }}
{{- with $v.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with $v.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $v.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- range $key, $value := $v.podSecurityContext }}
  {{- if not (kindIs "invalid" $value) }}
  {{ $key }}: {{ toJson $value }}
  {{- end }}
  {{- end }}
  {{- if include "esnap.since" (dict "root" .root "version" "1.19.0") }}
  seccompProfile:
    type: RuntimeDefault
  {{- end }}
containers:
  - name: esnap
    image: {{ $v.image | quote }}
    imagePullPolicy: {{ $v.imagePullPolicy }}
    args:
      {{- range .args }}
      - {{ . | quote }}
      {{- end }}
    env:
      # The log and the report together, on stdout.
      - name: ESNAP_LOG_FILE
        value: "-"
      {{- if or $v.client.config $v.client.existingSecret }}
      - name: ESNAP_CONFIG
        value: /etc/esnap/client/config.yml
      {{- end }}
      {{- with get . "deadline" }}
      - name: ESNAP_DEADLINE
        value: {{ . }}
      {{- end }}
      {{- with $v.credentials }}
      {{- if .existingSecret }}
      - name: ESNAP_USERNAME
        valueFrom:
          secretKeyRef:
            name: {{ .existingSecret }}
            key: {{ .usernameKey }}
            optional: {{ .optional }}
      - name: ESNAP_PASSWORD
        valueFrom:
          secretKeyRef:
            name: {{ .existingSecret }}
            key: {{ .passwordKey }}
            optional: {{ .optional }}
      {{- end }}
      {{- end }}
      {{- with $serve }}
      {{- if .auth.existingSecret }}
      - name: ESNAP_LISTEN_USERNAME
        valueFrom:
          secretKeyRef:
            name: {{ .auth.existingSecret }}
            key: {{ .auth.usernameKey }}
      {{- end }}
      {{- end }}
      {{- with $v.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- with get . "env" }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with $serve }}
    {{- $scheme := ternary "HTTPS" "HTTP" (ne .tls.existingSecret "") }}
    ports:
      - name: http
        containerPort: {{ .port }}
    # Only that the process answers: a failed run does not restart the pod.
    livenessProbe:
      httpGet:
        path: /healthz
        port: http
        scheme: {{ $scheme }}
      periodSeconds: 20
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet:
        path: /healthz
        port: http
        scheme: {{ $scheme }}
      periodSeconds: 10
      timeoutSeconds: 5
    {{- end }}
    # esnap writes its result as the message of the pod. If esnap was killed, the
    # message is the end of the log.
    terminationMessagePolicy: FallbackToLogsOnError
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop:
          - ALL
    {{- with $v.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if or .files $v.client.config $v.client.existingSecret $serve $v.extraVolumeMounts }}
    volumeMounts:
      {{- if .files }}
      - name: jobs
        mountPath: /etc/esnap/jobs
        readOnly: true
      {{- end }}
      {{- if or $v.client.config $v.client.existingSecret }}
      - name: client
        mountPath: /etc/esnap/client
        readOnly: true
      {{- end }}
      {{- with $serve }}
      {{- range $name := list "tls" "auth" "token" }}
      {{- if (get $serve $name).existingSecret }}
      - name: listen-{{ $name }}
        mountPath: /etc/esnap/listen/{{ $name }}
        readOnly: true
      {{- end }}
      {{- end }}
      {{- end }}
      {{- with $v.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
{{- if or .files $v.client.config $v.client.existingSecret $serve $v.extraVolumes }}
volumes:
  {{- if .files }}
  - name: jobs
    projected:
      sources:
        {{- range .files }}
        - configMap:
            name: {{ .configMap }}
            items:
              - key: {{ .key | quote }}
                path: {{ .name }}.yml
        {{- end }}
  {{- end }}
  {{- if or $v.client.config $v.client.existingSecret }}
  - name: client
    secret:
      secretName: {{ $v.client.existingSecret | default (printf "%s-client" (include "esnap.fullname" .root)) }}
      defaultMode: 0440
      items:
        - key: {{ ternary $v.client.key "config.yml" (ne $v.client.existingSecret "") }}
          path: config.yml
  {{- end }}
  {{- with $serve }}
  {{- range $name := list "tls" "auth" "token" }}
  {{- with (get $serve $name).existingSecret }}
  - name: listen-{{ $name }}
    secret:
      secretName: {{ . }}
      defaultMode: 0440
  {{- end }}
  {{- end }}
  {{- end }}
  {{- with $v.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}
