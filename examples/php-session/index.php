<?php
// One page: a login, and a count of visits since then.
declare(strict_types=1);
require __DIR__ . '/failover.php';
require __DIR__ . '/session.php';

// Of "correct horse"; yours come from a database.
const PASSWORD_HASH = '$2y$10$gBHtQzpKEjuUiGWS9B4G4uSLkVOvzrK6BAtR.eLFB3pRW5kkrEeKS';

session_start();
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    if (!password_verify($_POST['password'] ?? '', PASSWORD_HASH)) {
        http_response_code(403);
        exit("Wrong password.\n");
    }
    session_regenerate_id(true);
    $_SESSION = ['user' => $_POST['user'] ?? '', 'visits' => 0];
} elseif (isset($_SESSION['user'])) {
    $_SESSION['visits'] += 1;
}
$page = json_encode($_SESSION, JSON_THROW_ON_ERROR | JSON_FORCE_OBJECT);

// Before anything is answered: PHP would do it afterwards, when it is too late to say that it failed.
session_write_close();
header('Content-Type: application/json');
echo $page, "\n";
