// A dashboard's components, as Relay wants them written. Only compiled, to check the schema against Relay's rules.
import { graphql } from "relay-runtime";

export const page = graphql`
  query DevicesPageQuery($first: Int!, $after: String) {
    viewer { user { username } activeEntity { name } }
    overview { agentCount }
    ...Devices_list
  }
`;

export const list = graphql`
  fragment Devices_list on Query @refetchable(queryName: "DevicesListQuery") {
    agents(first: $first, after: $after, filter: { enrollStatus: ENROLLED }) @connection(key: "Devices_agents") {
      totalCount
      edges { node { id ...Devices_device } }
    }
  }
`;

export const device = graphql`
  fragment Devices_device on Agent @refetchable(queryName: "DevicesDeviceQuery") {
    id
    name
    presence { state since source }
    fleet { name }
    computer { model manufacturer }
  }
`;

export const files = graphql`
  query DevicesFilesQuery($first: Int!, $after: String) {
    files(first: $first, after: $after) @connection(key: "Devices_files") { edges { node { id name } } }
  }
`;

export const rename = graphql`
  mutation DevicesRenameMutation($input: UpdateFleetInput!) {
    updateFleet(input: $input) { fleet { id name } userErrors { code message field } }
  }
`;

export const live = graphql`
  subscription DevicesLiveSubscription($after: String) {
    deviceEvents(after: $after) {
      __typename
      cursor
      agent { ...Devices_device }
      ... on PositionReported { position { latitude longitude } }
    }
  }
`;
