import stat
import subprocess
import sys

import pytest
import sqlalchemy as sa

from olfactory_transformer.core.errors import DatabaseError, SettingsError
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.keys import KeyStore
from olfactory_transformer.database.upgrade import upgrade

SECRET = "pa55word-of-mine"


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://me:{SECRET}@h/n",
        f"postgresql+asyncpg://me:{SECRET}@h/n",
        f"me:{SECRET}@h",
        f"postgresql://me:{SECRET}@h:port/n",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "",
    ],
)
def test_urls_that_are_none_of_ours(url):
    with pytest.raises(SettingsError, match=r"DATABASE_URL: got .* expected sqlite:///FILE") as caught:
        Database(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/n",
        f"postgresql+psycopg://me@127.0.0.1:1/n?password={SECRET}",
        f"postgres://me:{SECRET}@nowhere.invalid/n",
    ],
)
def test_errors_name_no_password(url):
    database = Database(url)
    for ask in (lambda: KeyStore(database).find("abcd1234"), lambda: upgrade(database)):
        with pytest.raises(DatabaseError, match="postgresql") as caught:
            ask()
        assert SECRET not in str(caught.value) and "\n" not in str(caught.value)
        assert SECRET not in repr(vars(database).get("shown"))


def test_a_wrong_password_is_not_named(tmp_path):
    database = Database("postgresql://me:hunter22@h/n")
    assert str(database.error("role me with hunter22 is refused")).endswith("role me with *** is refused")


def test_no_statement_or_value_is_named(database):
    with pytest.raises(DatabaseError) as caught, database.reading() as session:
        import sqlalchemy as sa

        session.execute(sa.text("SELECT :x FROM no_such_table"), {"x": "CCO-secret"})
    assert "no_such_table" in str(caught.value) and "CCO" not in str(caught.value)


def test_a_file_for_its_owner_alone(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/keys.db")
    assert database.is_absent and KeyStore(database).list() == ()
    upgrade(database)
    assert not database.is_absent
    assert stat.S_IMODE((tmp_path / "keys.db").stat().st_mode) == 0o600


def test_files_that_cannot_be(tmp_path):
    (tmp_path / "text").write_text("no database " * 100)
    for path, reason in [
        ("none/keys.db", "No such file"),
        ("", "directory|unable"),
        ("text", "not a database"),
    ]:
        with pytest.raises((DatabaseError, SettingsError), match=reason):
            upgrade(Database(f"sqlite:///{tmp_path}/{path}"))


def test_a_file_is_judged_without_being_made(tmp_path):
    (tmp_path / "folder").mkdir()
    for name, reason in {"none/keys.db": "its folder is not there", "folder": "it is a folder"}.items():
        with pytest.raises(DatabaseError, match=reason):
            Database(f"sqlite:///{tmp_path}/{name}").check_file()
    Database(f"sqlite:///{tmp_path}/keys.db").check_file()
    Database("postgresql+psycopg://h/keys").check_file()
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_replaced_file_is_seen(tmp_path):
    paths = [tmp_path / name for name in ("here.db", "other.db")]
    made = []
    for path in paths:
        upgrade(Database(f"sqlite:///{path}"))
        made.append(KeyStore(Database(f"sqlite:///{path}")).create(path.name)[1])
    store = KeyStore(Database(f"sqlite:///{paths[0]}"))
    assert store.list() == (made[0],)
    paths[1].replace(paths[0])
    assert store.list() == (made[1],)


def test_without_the_driver(tmp_path):
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from olfactory_transformer.core.errors import MissingExtra\n"
        "from olfactory_transformer.database.engine import Database\n"
        "try: Database('postgresql://me:pa55@h/n')\n"
        "except MissingExtra as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'olfactory-transformer[postgres]'" in said


def test_a_file_that_is_gone_is_an_error_and_not_made_anew(tmp_path):
    path = tmp_path / "keys.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    store = KeyStore(database)
    _, record = store.create("perfumer", ["predict"])
    path.rename(tmp_path / "elsewhere.db")
    with pytest.raises(DatabaseError, match="its file is gone"):
        store.find(record.id)
    with pytest.raises(DatabaseError), database.writing() as session:
        session.execute(sa.text("SELECT 1 FROM api_keys"))
    assert not path.exists()
    (tmp_path / "elsewhere.db").rename(path)
    assert store.find(record.id) == record
