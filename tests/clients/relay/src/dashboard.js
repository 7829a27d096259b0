// A page of nodes as a Relay application writes it.
import relay from "relay-runtime";

const { graphql } = relay;

export const dashboard = graphql`
  query dashboardQuery($limit: Int) {
    cluster {
      nodeCount
    }
    nodes(limit: $limit) {
      id
      ...dashboard_node
    }
    ...dashboard_pods
  }
`;

export const row = graphql`
  fragment dashboard_node on Node {
    name
    pods {
      id
      name
      phase
    }
  }
`;

export const pods = graphql`
  fragment dashboard_pods on Query {
    podsConnection(first: 5) @connection(key: "dashboard_podsConnection") {
      edges {
        node {
          id
          status
          services {
            id
            name
          }
          events(limit: 3) {
            id
            message
          }
        }
      }
    }
  }
`;
