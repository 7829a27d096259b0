#!/bin/sh
# Not run with the community charts, which were not at hand: run in a test with small local charts in their places.
#
# Removes what install.sh installed, in reverse. The namespaces stay: what else is in them is not ours.
set -eu
helm=${HELM:-helm}
kubectl=${KUBECTL:-kubectl}

for release in binnacle/binnacle monitoring/grafana monitoring/prometheus; do
    echo "removing ${release#*/}"
    $helm uninstall "${release#*/}" --namespace "${release%/*}" --ignore-not-found --wait >/dev/null
done
echo "removing the dashboards"
$kubectl delete configmap binnacle-dashboards --namespace monitoring --ignore-not-found >/dev/null
echo "The namespaces binnacle and monitoring are left: kubectl delete namespace binnacle monitoring"
