#!/bin/sh
# Not run with the community charts, which were not at hand: run in a test with small local charts in their places.
#
# Installs Prometheus, Grafana and Binnacle, one after the other, and waits for each.
#
#   deploy/monitoring/install.sh [--open-grafana] [--values FILE] [--timeout 5m]
#
#     --open-grafana    Grafana without a login, on port 30400 of every node: everybody who reaches a node then sees the
#                       metrics of every namespace, whatever Kubernetes lets them see (monitoring/grafana-open.yaml)
#     --values FILE     values for Binnacle's own chart
#
# PROMETHEUS_CHART and GRAFANA_CHART name other charts, or folders of them. HELM and KUBECTL name the programs, and may
# carry flags ("kubectl --context kind-binnacle"). Run again it upgrades. uninstall.sh removes everything.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
helm=${HELM:-helm}
kubectl=${KUBECTL:-kubectl}
prometheus_chart=${PROMETHEUS_CHART:-prometheus --repo https://prometheus-community.github.io/helm-charts}
grafana_chart=${GRAFANA_CHART:-grafana --repo https://grafana-community.github.io/helm-charts}
timeout=5m
open=
own=

while [ $# -gt 0 ]; do
    case $1 in
    --open-grafana) open=yes ;;
    --values) own=${2:?--values needs a file} && shift ;;
    --timeout) timeout=${2:?--timeout needs a time} && shift ;;
    *) echo "install.sh: unknown argument $1" >&2 && exit 2 ;;
    esac
    shift
done

step() {
    printf '\n[%s/4] %s\n' "$1" "$2"
}

# install RELEASE CHART NAMESPACE [arguments of Helm's]: shows the pods while Helm waits.
install() {
    release=$1 chart=$2 namespace=$3
    shift 3
    # not quoted: $helm and $chart may carry flags
    $helm upgrade --install "$release" $chart --namespace "$namespace" --create-namespace \
        --wait --timeout "$timeout" "$@" >/dev/null &
    waiting=$!
    while kill -0 "$waiting" 2>/dev/null; do
        sleep "${PROGRESS_EVERY_S:-3}"
        $kubectl get pods --namespace "$namespace" --selector "app.kubernetes.io/instance=$release" \
            --no-headers --output custom-columns=POD:.metadata.name,IS:.status.phase 2>/dev/null | sed 's/^/      /'
    done
    if ! wait "$waiting"; then
        echo "      $release did not become ready. Why: $kubectl get events --namespace $namespace" >&2
        exit 1
    fi
    echo "      $release is ready"
}

step 1 "Prometheus"
install prometheus "$prometheus_chart" monitoring --values "$here/prometheus.yaml"

step 2 "Dashboards"
$kubectl create configmap binnacle-dashboards --namespace monitoring --from-file "$here/dashboards" \
    --dry-run=client --output yaml | $kubectl apply --filename - | sed 's/^/      /'

step 3 "Grafana"
set -- --values "$here/grafana.yaml"
if [ -n "$open" ]; then
    echo "      WITHOUT A LOGIN: everybody who reaches port 30400 of a node sees the metrics of every namespace"
    set -- "$@" --values "$here/grafana-open.yaml"
fi
install grafana "$grafana_chart" monitoring "$@"

step 4 "Binnacle"
set --
[ -n "$own" ] && set -- --values "$own"
install binnacle "$here/../chart" binnacle "$@"

echo
$helm get notes binnacle --namespace binnacle
