"""Definitions of views as this server prints them, so that init/'s text and the database's can be compared.

Each is made a temporary view in a transaction that is rolled back. Comparing texts would need a parser for every
release of PostgreSQL; the server's own printing of both needs none.
"""

import json

import psycopg

from verify.catalog import Unreadable, gone
from verify.refusal import one_line

MAKE = """
do $$
declare
    v_view  record;
    v_text  text;
    v_print text;
    v_name  text;
    v_found jsonb := '{}';
begin
    for v_view in
        select key, value, row_number() over () as number
        from jsonb_each_text(current_setting('enms_verify.selects')::jsonb)
    loop
        begin
            v_text := v_view.value;
            for v_round in 1..current_setting('enms_verify.rounds')::integer loop
                v_name := format('enms_verify_%s_%s', v_view.number, v_round);
                execute format('create temporary view %I as %s', v_name, v_text);
                v_print := pg_get_viewdef(format('pg_temp.%I', v_name)::regclass);
                exit when v_print = v_text;
                v_text := v_print;
            end loop;
            v_found := v_found || jsonb_build_object(v_view.key, jsonb_build_object('definition', v_text));
        exception when others then
            v_found := v_found || jsonb_build_object(v_view.key, jsonb_build_object('error', sqlerrm, 'of', v_view.key));
        end;
    end loop;
    perform set_config('enms_verify.found', v_found::text, true);
end
$$
"""


def written(connection: psycopg.Connection, selects: dict[str, str], rounds: int = 1) -> dict[str, dict[str, str]]:
    """For each SELECT, by name: its `definition` as the server prints it, or the `error` that making it gave.

    With more `rounds` than one, what was printed is made a view and printed again, until it stays the same. Two
    that could not be made are never equal. Raises Unreadable if the server gives up on all of them.
    """
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("set transaction read write")
            settings = "select set_config('enms_verify.selects', %s, true), set_config('enms_verify.rounds', %s, true)"
            connection.execute(settings, [json.dumps(selects), str(rounds)])
            connection.execute(MAKE)
            return json.loads(connection.execute("select current_setting('enms_verify.found')").fetchone()[0])
    except psycopg.Error as error:
        if connection.closed:
            raise gone("views were compared", error) from None
        if rounds > 1:
            raise Unreadable("definitions", one_line(error)) from None
        return {name: {"error": one_line(error), "of": name} for name in selects}
