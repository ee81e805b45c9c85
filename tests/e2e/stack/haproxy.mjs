// envoy/envoy.yaml as a configuration of HAProxy: the same routes, clusters, checks and timeouts, for
// machines that have no Envoy. What has no counterpart there is named below; anything else that is not
// understood is refused, so that a new setting is not silently left untested.

// Understood to be without counterpart, or without effect, in HAProxy on one host.
const LEFT_OUT = {
  manager: ['@type', 'stat_prefix', 'codec_type', 'server_header_transformation', 'xff_num_trusted_hops', 'internal_address_config',
    'path_with_escaped_slashes_action', 'http2_protocol_options', 'access_log', 'local_reply_config', 'http_filters'],
  common: ['max_headers_count', 'headers_with_underscores_action'],
  cluster: ['name', 'dns_lookup_family', 'dns_refresh_rate', 'per_connection_buffer_limit_bytes', 'least_request_lb_config', 'common_lb_config',
    'circuit_breakers', 'outlier_detection'],
  check: ['timeout', 'interval_jitter', 'no_traffic_interval', 'reuse_connection'],
};
const LONGEST = '24d';  // of HAProxy's timers: for Envoy's 0s, which means never

// The parts of `tree` by name; throws on any part that is neither wanted nor left out.
function parts(what, tree, wanted, leftOut = []) {
  const strange = Object.keys(tree).filter((key) => !wanted.includes(key) && !leftOut.includes(key));
  if (strange.length) throw new Error(`${what}: ${strange} has no translation for HAProxy`);
  return tree;
}

const off = (time) => /^0+(\.0+)?s$/.test(time);
const timer = (time) => (off(time) ? LONGEST : `${Math.round(parseFloat(time) * 1000)}ms`);

function acl({ name, match }) {
  parts(`route ${name}`, match, ['path_separated_prefix', 'prefix']);
  if (match.prefix === '/') return undefined;
  if (!match.path_separated_prefix) throw new Error(`route ${name}: ${JSON.stringify(match)} has no translation`);
  return `    acl ${name} path ${match.path_separated_prefix}\n    acl ${name} path_beg ${match.path_separated_prefix}/`;
}

function serversOf(cluster, addressesOf) {
  const common = parts(`cluster ${cluster.name}`, cluster, ['type', 'connect_timeout', 'lb_policy', 'health_checks', 'load_assignment',
    'typed_extension_protocol_options', 'upstream_connection_options'], LEFT_OUT.cluster);
  const options = Object.values(common.typed_extension_protocol_options ?? {})[0] ?? {};
  const h2 = 'http2_protocol_options' in (options.explicit_http_config ?? {});
  const check = cluster.health_checks?.[0];
  const lines = [];
  if (check) {
    const { path } = parts('health check', check, ['interval', 'unhealthy_threshold', 'healthy_threshold', 'http_health_check'], LEFT_OUT.check).http_health_check;
    lines.push(`    option httpchk GET ${path}`, '    http-check expect status 200', `    timeout check ${timer(check.timeout)}`);
  }
  for (const { lb_endpoints: entries } of cluster.load_assignment.endpoints) {
    for (const { endpoint } of entries) {
      const { address: host, port_value: port } = endpoint.address.socket_address;
      for (const service of addressesOf(host)) {
        const checked = check ? ` check port ${service.port(endpoint.health_check_config.port_value)} check-proto h1` +
          ` inter ${timer(check.interval)} fall ${check.unhealthy_threshold} rise ${check.healthy_threshold}` : '';
        lines.push(`    server ${service.name} 127.0.0.1:${service.port(port)}${h2 ? ' proto h2' : ''}${checked}`);
      }
    }
  }
  return lines;
}

function backend({ name, route }, clusters, manager, addressesOf) {
  parts(`route ${name}`, route, ['cluster', 'timeout', 'idle_timeout', 'upgrade_configs', 'retry_policy']);
  const cluster = clusters.find((one) => one.name === route.cluster);
  if (cluster.lb_policy !== 'LEAST_REQUEST') throw new Error(`cluster ${cluster.name}: ${cluster.lb_policy} has no translation`);
  const idle = route.idle_timeout ?? manager.stream_idle_timeout;
  const limit = route.timeout ?? '15s';
  return [
    `backend ${name}`,
    '    balance leastconn',
    `    timeout connect ${timer(cluster.connect_timeout)}`,
    `    timeout server ${timer(off(limit) ? idle : limit)}`,
    `    timeout tunnel ${timer(idle)}`,
    `    retries ${route.retry_policy?.num_retries ?? 0}`,
    // Envoy's connect-failure and refused-stream.
    `    retry-on ${route.retry_policy ? 'conn-failure' : 'none'}`,
    '    option redispatch 1',
    ...serversOf(cluster, addressesOf),
  ].join('\n');
}

// `addressesOf(host)`: the services of that name as [{name, port(declared)}]; `port`: where to listen.
export function haproxyConfig(envoy, addressesOf, port) {
  const listener = envoy.static_resources.listeners.find(({ name }) => name === 'public');
  const manager = parts('listener public', listener.filter_chains[0].filters[0].typed_config,
    ['use_remote_address', 'normalize_path', 'merge_slashes', 'upgrade_configs', 'request_headers_timeout', 'stream_idle_timeout',
      'common_http_protocol_options', 'route_config'], LEFT_OUT.manager);
  const common = parts('connections', manager.common_http_protocol_options, ['idle_timeout'], LEFT_OUT.common);
  const [host] = manager.route_config.virtual_hosts;
  const { clusters } = envoy.static_resources;
  const routes = host.routes;
  const rest = routes.find(({ match }) => match.prefix === '/');
  const upgrading = routes.filter(({ route }) => route.upgrade_configs?.some(({ enabled }) => enabled ?? true));
  const limit = envoy.overload_manager.resource_monitors.map(({ typed_config: config }) => config.max_active_downstream_connections).find(Boolean);
  return `# Translated from envoy/envoy.yaml.
global
    maxconn ${Math.min(limit, 2000)}
    expose-experimental-directives
    log stderr format raw local0 warning

defaults
    mode http
    log global
    option tcpka
    timeout http-request ${timer(manager.request_headers_timeout)}
    timeout http-keep-alive ${timer(common.idle_timeout)}
    timeout client ${LONGEST}

frontend public
    bind 127.0.0.1:${port}
    ${manager.use_remote_address ? 'option forwardfor' : ''}
    ${manager.merge_slashes ? 'http-request normalize-uri path-merge-slashes' : ''}
    ${manager.normalize_path ? 'http-request normalize-uri path-strip-dotdot full' : ''}
${routes.map(acl).filter(Boolean).join('\n')}
    acl upgrades req.hdr(upgrade) -i websocket
    http-request deny deny_status 403 if upgrades ${upgrading.map(({ name }) => `!${name}`).join(' ')}
${routes.filter((route) => route !== rest).map(({ name }) => `    use_backend ${name} if ${name}`).join('\n')}
    default_backend ${rest.name}

${routes.map((route) => backend(route, clusters, manager, addressesOf)).join('\n\n')}
`;
}
