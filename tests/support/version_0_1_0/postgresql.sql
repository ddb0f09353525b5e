-- Schema 3 of the run store of ael-otel 0.1.0 on PostgreSQL: the statements of its migrations.
CREATE SCHEMA ael;
SET search_path TO ael;
CREATE TABLE ael_versions (version INTEGER PRIMARY KEY, written_by TEXT);
CREATE TABLE ael_meta (key TEXT COLLATE "C" PRIMARY KEY, value BIGINT NOT NULL);
CREATE TABLE executions (
    id BIGINT PRIMARY KEY,
    execution_id TEXT COLLATE "C" NOT NULL UNIQUE,
    type TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    workflow_name TEXT COLLATE "C",
    workflow_version TEXT COLLATE "C",
    started_us BIGINT NOT NULL,
    completed_us BIGINT,
    duration_us BIGINT,
    error_code TEXT COLLATE "C",
    error_message TEXT COLLATE "C",
    caller_id TEXT COLLATE "C",
    session_id TEXT COLLATE "C",
    trace_id TEXT COLLATE "C" NOT NULL,
    steps BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    retries BIGINT NOT NULL,
    tool_calls BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    owner TEXT COLLATE "C" NOT NULL
);
CREATE INDEX executions_by_time ON executions (started_us, execution_id);
CREATE INDEX executions_by_workflow ON executions (workflow_name, started_us, execution_id);
CREATE INDEX executions_by_status ON executions (status, started_us, execution_id);
CREATE INDEX executions_by_trace ON executions (trace_id);
CREATE INDEX executions_by_session ON executions (session_id, started_us, execution_id)
    WHERE session_id IS NOT NULL;
CREATE INDEX executions_by_caller ON executions (caller_id, started_us, execution_id)
    WHERE caller_id IS NOT NULL;
CREATE TABLE bodies (
    execution BIGINT PRIMARY KEY REFERENCES executions (id) ON DELETE CASCADE,
    body TEXT COLLATE "C" NOT NULL
);
CREATE TABLE tool_calls (
    execution BIGINT NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    tool_name TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    duration_us BIGINT,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (execution, position)
);
CREATE TABLE errors (
    execution BIGINT NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    code TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (execution, code)
);
CREATE INDEX errors_by_code ON errors (code, execution);
CREATE VIEW steps AS
    SELECT e.execution_id, e.workflow_name, s ->> 'step_id' AS step_id, (s ->> 'index')::int AS step_index,
        s ->> 'step_type' AS step_type, s ->> 'status' AS status, s ->> 'tool_name' AS tool_name,
        s ->> 'started_at' AS started_at, (s ->> 'duration_ms')::float8 AS duration_ms,
        (s ->> 'attempt')::int AS attempt, s #>> '{error,code}' AS error_code
    FROM executions e JOIN bodies b ON b.execution = e.id,
        jsonb_array_elements(b.body::jsonb -> 'steps') s;
CREATE SEQUENCE execution_ids OWNED BY executions.id;
CREATE INDEX tool_calls_by_tool ON tool_calls (tool_name, execution);
CREATE TABLE redactions (
    execution BIGINT NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    kind TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (execution, kind)
);
