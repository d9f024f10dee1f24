"""The catalog: templates, workspaces, profiles, access, and the counter of writes (design 3)."""

from __future__ import annotations

from typing import Final

from alembic import op

revision: Final = "0001"
down_revision: Final = None
branch_labels: Final = None
depends_on: Final = None

_RULES: Final = r"""
-- A DNS label (RFC 1123): it is also a Kubernetes namespace or the value of a label.
CREATE DOMAIN ocdp.identifier AS text
    CHECK (VALUE ~ '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$' AND length(VALUE) <= 63);

-- A POSIX path inside a repository: relative, no empty, '.' or '..' segment.
CREATE DOMAIN ocdp.repository_path AS text
    CHECK (VALUE ~ '^[^/\\\s]+(/[^/\\\s]+)*$' AND VALUE !~ '(^|/)\.{1,2}(/|$)' AND length(VALUE) <= 512);

CREATE TABLE ocdp.counter (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    writes   bigint NOT NULL DEFAULT 0
);
INSERT INTO ocdp.counter DEFAULT VALUES;
COMMENT ON TABLE ocdp.counter IS 'One row: how many rows of the catalog were written so far. Writers lock it first.';

-- SECURITY DEFINER: a role that may write the catalog needs no right on the counter itself.
CREATE FUNCTION ocdp.count_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE ocdp.counter SET writes = writes + 1;
    RETURN NULL;
END $$;

CREATE FUNCTION ocdp.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '% of ocdp.% is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
"""

_TABLES: Final = r"""
CREATE TABLE ocdp.workload_templates (
    id          ocdp.identifier PRIMARY KEY,
    title       text NOT NULL DEFAULT '' CHECK (length(title) <= 200),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 4000),
    created_at  timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);

CREATE TABLE ocdp.workload_template_revisions (
    template_id       ocdp.identifier NOT NULL REFERENCES ocdp.workload_templates,
    revision          integer NOT NULL CHECK (revision > 0),
    template_type     text NOT NULL CHECK (template_type = 'kustomize'),
    source_type       text NOT NULL CHECK (source_type = 'gitKustomize'),
    repository_url    text NOT NULL
        CHECK (repository_url ~ '^https?://[^/@\s]+(/[^@\s]*)?$' AND length(repository_url) <= 2000),
    ref               text NOT NULL CHECK (ref ~ '^[^-\s][^\s]*$' AND length(ref) <= 255),
    path              ocdp.repository_path NOT NULL,
    commit            text NOT NULL CHECK (commit ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'),
    body              jsonb NOT NULL CHECK (jsonb_typeof(body) = 'object' AND length(body::text) <= 1048576),
    kustomize_version text,
    published_at      timestamptz NOT NULL DEFAULT now(),
    published_by      text NOT NULL DEFAULT session_user,
    PRIMARY KEY (template_id, revision)
);
COMMENT ON COLUMN ocdp.workload_template_revisions.commit IS 'What ref resolved to when the revision was published; the operator fetches this.';
COMMENT ON COLUMN ocdp.workload_template_revisions.kustomize_version IS 'The version that proved the revision; null: not rendered at publishing.';

CREATE TABLE ocdp.clusters (
    id          ocdp.identifier PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);

CREATE TABLE ocdp.workspaces (
    id          ocdp.identifier PRIMARY KEY,
    customer    ocdp.identifier NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);

CREATE TABLE ocdp.workspace_placements (
    cluster_id   ocdp.identifier NOT NULL REFERENCES ocdp.clusters,
    namespace    ocdp.identifier NOT NULL,
    workspace_id ocdp.identifier NOT NULL REFERENCES ocdp.workspaces,
    created_at   timestamptz NOT NULL DEFAULT now(),
    disabled_at  timestamptz,
    PRIMARY KEY (cluster_id, namespace)
);
CREATE UNIQUE INDEX workspace_placements_one_in_each_cluster
    ON ocdp.workspace_placements (workspace_id, cluster_id) WHERE disabled_at IS NULL;

CREATE TABLE ocdp.environment_profiles (
    id          ocdp.identifier PRIMARY KEY,
    cluster_id   ocdp.identifier REFERENCES ocdp.clusters,
    customer     ocdp.identifier,
    workspace_id ocdp.identifier REFERENCES ocdp.workspaces,
    layer        text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN cluster_id IS NOT NULL THEN 'cluster' WHEN customer IS NOT NULL THEN 'customer' ELSE 'workspace' END
    ) STORED,
    created_at  timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    CHECK (num_nonnulls(cluster_id, customer, workspace_id) = 1)
);
CREATE UNIQUE INDEX environment_profiles_one_for_each_cluster
    ON ocdp.environment_profiles (cluster_id) WHERE disabled_at IS NULL;
CREATE UNIQUE INDEX environment_profiles_one_for_each_customer
    ON ocdp.environment_profiles (customer) WHERE disabled_at IS NULL;
CREATE UNIQUE INDEX environment_profiles_one_for_each_workspace
    ON ocdp.environment_profiles (workspace_id) WHERE disabled_at IS NULL;

CREATE TABLE ocdp.environment_profile_revisions (
    profile_id   ocdp.identifier NOT NULL REFERENCES ocdp.environment_profiles,
    revision     integer NOT NULL CHECK (revision > 0),
    body         jsonb NOT NULL CHECK (jsonb_typeof(body) = 'object' AND length(body::text) <= 262144),
    published_at timestamptz NOT NULL DEFAULT now(),
    published_by text NOT NULL DEFAULT session_user,
    PRIMARY KEY (profile_id, revision)
);

CREATE TABLE ocdp.access_bindings (
    id           bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    template_id  ocdp.identifier NOT NULL REFERENCES ocdp.workload_templates,
    workspace_id ocdp.identifier REFERENCES ocdp.workspaces,
    username     text CHECK (length(username) BETWEEN 1 AND 253),
    group_name   text CHECK (length(group_name) BETWEEN 1 AND 253),
    created_at   timestamptz NOT NULL DEFAULT now(),
    disabled_at  timestamptz,
    CHECK (num_nonnulls(workspace_id, username, group_name) = 1)
);
CREATE UNIQUE INDEX access_bindings_of_workspaces
    ON ocdp.access_bindings (template_id, workspace_id) WHERE workspace_id IS NOT NULL;
CREATE UNIQUE INDEX access_bindings_of_users
    ON ocdp.access_bindings (template_id, username) WHERE username IS NOT NULL;
CREATE UNIQUE INDEX access_bindings_of_groups
    ON ocdp.access_bindings (template_id, group_name) WHERE group_name IS NOT NULL;
"""

_TRIGGERS: Final = r"""
DO $$
DECLARE
    written text;
BEGIN
    FOREACH written IN ARRAY ARRAY[
        'workload_templates', 'workload_template_revisions', 'clusters', 'workspaces', 'workspace_placements',
        'environment_profiles', 'environment_profile_revisions', 'access_bindings'
    ] LOOP
        EXECUTE format('CREATE TRIGGER counted_insert AFTER INSERT ON ocdp.%I FOR EACH ROW EXECUTE FUNCTION ocdp.count_write()', written);
        EXECUTE format('CREATE TRIGGER counted_update AFTER UPDATE ON ocdp.%I FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION ocdp.count_write()', written);
        EXECUTE format('CREATE TRIGGER never_removed BEFORE DELETE OR TRUNCATE ON ocdp.%I FOR EACH STATEMENT EXECUTE FUNCTION ocdp.refuse_change(%L)',
            written, 'the catalog is append-only; disable the row instead');
    END LOOP;
    FOREACH written IN ARRAY ARRAY['workload_template_revisions', 'environment_profile_revisions'] LOOP
        EXECUTE format('CREATE TRIGGER immutable BEFORE UPDATE ON ocdp.%I FOR EACH STATEMENT EXECUTE FUNCTION ocdp.refuse_change(%L)',
            written, 'a revision never changes; publish another one');
    END LOOP;
END $$;

CREATE TRIGGER never_removed BEFORE DELETE OR TRUNCATE OR INSERT ON ocdp.counter
    FOR EACH STATEMENT EXECUTE FUNCTION ocdp.refuse_change('it holds one row for ever');

CREATE TRIGGER fixed_identity BEFORE UPDATE OF cluster_id, namespace, workspace_id ON ocdp.workspace_placements
    FOR EACH STATEMENT EXECUTE FUNCTION ocdp.refuse_change('a placement does not move; disable it and add another');
CREATE TRIGGER fixed_identity BEFORE UPDATE OF id, template_id, workspace_id, username, group_name ON ocdp.access_bindings
    FOR EACH STATEMENT EXECUTE FUNCTION ocdp.refuse_change('a binding does not change; disable it and add another');
CREATE TRIGGER fixed_identity BEFORE UPDATE OF id, cluster_id, customer, workspace_id ON ocdp.environment_profiles
    FOR EACH STATEMENT EXECUTE FUNCTION ocdp.refuse_change('a profile keeps its subject; disable it and add another');
CREATE TRIGGER fixed_identity BEFORE UPDATE OF id ON ocdp.workload_templates
    FOR EACH STATEMENT EXECUTE FUNCTION ocdp.refuse_change('an id never changes');
CREATE TRIGGER fixed_identity BEFORE UPDATE OF id ON ocdp.workspaces
    FOR EACH STATEMENT EXECUTE FUNCTION ocdp.refuse_change('an id never changes');
CREATE TRIGGER fixed_identity BEFORE UPDATE OF id ON ocdp.clusters
    FOR EACH STATEMENT EXECUTE FUNCTION ocdp.refuse_change('an id never changes');
"""


def upgrade() -> None:
    """Creates the catalog."""
    for part in (_RULES, _TABLES, _TRIGGERS):
        # As it is written: several statements at once, and no placeholder is looked for in them.
        op.get_bind().exec_driver_sql(part, execution_options={"no_parameters": True})
