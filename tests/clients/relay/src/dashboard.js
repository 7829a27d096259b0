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
